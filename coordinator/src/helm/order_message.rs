//! Turns orders of the state machine into messages.

use proto::v1;
use steering::Order;

/// An order as it goes over the wire. The `rank` is the receiver's, and the `backend` the generation's. The `ticket` is
/// for the state that the receiver is to send or fetch; 0 for none.
pub(super) fn order_message(order: Order, rank: Option<u32>, ticket: u64, backend: v1::Backend) -> v1::Order {
    use v1::order::Order as Down;
    use v1::synchronise::Source;
    let down = match order {
        Order::Form { generation, rank, world_size, members } => {
            Down::Form(v1::Form { generation, rank, world_size, members })
        }
        Order::Connect { generation, host, port } => {
            Down::Connect(v1::Connect { generation, host, port: port.into(), backend: backend.into() })
        }
        Order::Synchronise { generation, source_rank, checkpoint, initial, digest } => {
            // Only the source needs the checkpoint; the others get its state in the broadcast.
            let is_source = rank == Some(source_rank);
            let source = match checkpoint.filter(|_| is_source) {
                Some(name) => Source::Checkpoint(name),
                None if initial => Source::Initial(true),
                None => Source::Held(true),
            };
            Down::Synchronise(v1::Synchronise { generation, source_rank, source: Some(source), digest, ticket })
        }
        Order::Train { generation, from, rates, digest_every, save_every, upload: _ } => Down::Train(v1::Train {
            generation,
            epoch: from.epoch,
            first_step: from.step,
            rates: rates.list().to_vec(),
            digest_every,
            save_every: save_every.unwrap_or_default(),
            ticket,
        }),
        Order::Halt { generation, epoch, reason } => Down::Halt(v1::Halt { generation, epoch, reason }),
        Order::Evaluate { generation, epoch, chunks } => Down::Evaluate(v1::Evaluate {
            generation,
            epoch,
            first_chunk: chunks.start,
            chunks: chunks.end - chunks.start,
        }),
        Order::Upload { upload: _ } => Down::Upload(v1::Upload { ticket }),
        Order::Attest { request, generation } => Down::Attest(v1::Attest { request, generation }),
        Order::SetAside { reason, pause } => {
            Down::SetAside(v1::SetAside { reason, pause_ms: pause.as_millis() as u64 })
        }
        Order::Abort { generation, reason } => Down::Abort(v1::Abort { generation, reason }),
        Order::Dismiss { reason } => Down::Dismiss(v1::Dismiss { reason }),
    };
    v1::Order { order: Some(down) }
}
