//! How ranks find out whether they share memory.

use crate::{error::ReductionError, shared::Shared, sizes::Sizes, supervisor::Supervisor, wait::wait};
use nccl_rs::ProcessGroup;
use shared_memory::Ticket;
use tch::Tensor;

/// Makes memory that all ranks of `group` share, if all of them are at one place. `None` if they are not, or one is
/// unwilling.
pub(crate) fn share(
    generation: u64,
    group: &ProcessGroup,
    sizes: &Sizes,
    place: Option<u64>,
    supervisor: &impl Supervisor,
) -> Result<Option<Shared>, ReductionError> {
    let torch = || ReductionError::torch("agree on shared memory");
    let numbers = |numbers: &[i64]| Tensor::f_from_slice(numbers).map_err(torch());
    let rank = group.rank() as usize;
    let mut shared = None;
    let mut offer = [0; 4];
    if let (0, Some(place)) = (rank, place) {
        match Shared::create(generation, sizes.clone()) {
            Ok((made, ticket)) => {
                shared = Some(made);
                offer = [i64::from(ticket.process), i64::from(ticket.descriptor), ticket.nonce as i64, place as i64];
            }
            Err(error) => tracing::debug!("{error}; the reduction goes over the network"),
        }
    }
    let offered = numbers(&offer)?;
    wait(group.broadcast(&offered, 0)?, generation, supervisor)?;
    let offer = Vec::<i64>::try_from(&offered).map_err(torch())?;
    if rank != 0 && offer[0] != 0 && place.map(|place| place as i64) == Some(offer[3]) {
        let ticket = Ticket { process: offer[0] as u32, descriptor: offer[1] as i32, nonce: offer[2] as u64 };
        match Shared::open(generation, rank, sizes.clone(), ticket) {
            Ok(opened) => shared = Some(opened),
            Err(error) => tracing::debug!("{error}; the reduction goes over the network"),
        }
    }
    let sharing = numbers(&[i64::from(shared.is_some())])?;
    wait(group.all_reduce(&sharing)?, generation, supervisor)?;
    let sharing = Vec::<i64>::try_from(&sharing).map_err(torch())?;
    Ok(shared.filter(|_| sharing == [i64::from(group.world_size())]))
}
