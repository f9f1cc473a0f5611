//! Lists of the coordinator, all their pages, each call with a deadline.

use crate::{
    connect::{ASK, Coordinator, Failed, with_deadline},
    error::Failure,
};
use proto::v1::{
    Checkpoint, Epoch, Event, Generation, ListCheckpointsRequest, ListEpochsRequest, ListEventsRequest,
    ListGenerationsRequest, ListRecoveriesRequest, Recovery, training_client::TrainingClient,
};
use tonic::transport::Channel;

/// Items of a page: as many as the coordinator gives.
const PAGE: u32 = 1000;

/// Items, and the token of the next page.
type Page<T> = Result<(Vec<T>, String), Failed>;

impl Coordinator {
    fn training(&self) -> TrainingClient<Channel> {
        TrainingClient::new(self.channel.clone())
    }

    /// All items of a list whose page of a token is `page`.
    async fn all<T>(&self, mut page: impl AsyncFnMut(String) -> Page<T>) -> Result<Vec<T>, Failure> {
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let (items, next) = page(token).await.map_err(|failed| self.failure(&failed))?;
            // A page with nothing on it would come for ever.
            let more = !next.is_empty() && !items.is_empty();
            all.extend(items);
            if !more {
                return Ok(all);
            }
            token = next;
        }
    }

    /// The epochs that are done, with their counts of answers too if `with_confusion`.
    ///
    /// # Errors
    /// If the coordinator does not tell, as of the other lists.
    pub async fn epochs(&self, with_confusion: bool) -> Result<Vec<Epoch>, Failure> {
        self.all(async |page_token| {
            let request = ListEpochsRequest { page_size: PAGE, page_token, with_confusion };
            let page = self.within(ASK, self.training().list_epochs(with_deadline(request, ASK))).await?;
            Ok((page.epochs, page.next_page_token))
        })
        .await
    }

    /// The checkpoints that were written.
    ///
    /// # Errors
    /// As of [`Self::epochs`].
    pub async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Failure> {
        self.all(async |page_token| {
            let request = ListCheckpointsRequest { page_size: PAGE, page_token };
            let page = self.within(ASK, self.training().list_checkpoints(with_deadline(request, ASK))).await?;
            Ok((page.checkpoints, page.next_page_token))
        })
        .await
    }

    /// The generations.
    ///
    /// # Errors
    /// As of [`Self::epochs`].
    pub async fn generations(&self) -> Result<Vec<Generation>, Failure> {
        self.all(async |page_token| {
            let request = ListGenerationsRequest { page_size: PAGE, page_token };
            let page = self.within(ASK, self.training().list_generations(with_deadline(request, ASK))).await?;
            Ok((page.generations, page.next_page_token))
        })
        .await
    }

    /// The failures that were survived.
    ///
    /// # Errors
    /// As of [`Self::epochs`].
    pub async fn recoveries(&self) -> Result<Vec<Recovery>, Failure> {
        self.all(async |page_token| {
            let request = ListRecoveriesRequest { page_size: PAGE, page_token };
            let page = self.within(ASK, self.training().list_recoveries(with_deadline(request, ASK))).await?;
            Ok((page.recoveries, page.next_page_token))
        })
        .await
    }

    /// The events from number `from_number` on whose text has `filter` in it.
    ///
    /// # Errors
    /// As of [`Self::epochs`].
    pub async fn events(&self, from_number: u64, filter: &str) -> Result<Vec<Event>, Failure> {
        self.all(async |page_token| {
            let filter = filter.to_owned();
            let request = ListEventsRequest { page_size: PAGE, page_token, newest_first: false, from_number, filter };
            let page = self.within(ASK, self.training().list_events(with_deadline(request, ASK))).await?;
            Ok((page.events, page.next_page_token))
        })
        .await
    }
}
