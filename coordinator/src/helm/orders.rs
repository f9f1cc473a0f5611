//! Orders on their way to one worker. Orders of a generation that is over are dropped. So a slow worker finds what
//! counts, and its queue stays short whatever happens.

use proto::v1::{Order, order::Order as Down};
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};
use tokio_stream::Stream;
use tonic::Status;

/// The most orders that wait. A worker that does not take them is given up.
const ORDERS: usize = 64;

type Message = Result<Order, Status>;

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Message>,
    /// Whether the helm's end is gone: nothing more comes.
    closed: bool,
    /// Whether the worker's end is gone: nobody takes any more.
    left: bool,
    waker: Option<Waker>,
}

#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<Queue>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The helm's end. The stream ends when it is dropped.
#[derive(Debug)]
pub struct OrderSender(Shared);

/// The worker's end: a stream of orders.
#[derive(Debug)]
pub struct Orders(Shared);

/// Makes a queue: the helm's end and the worker's.
#[must_use]
pub fn orders() -> (OrderSender, Orders) {
    let shared = Shared::default();
    (OrderSender(shared.clone()), Orders(shared))
}

/// The generation that an order is for; `None` if it is for none, or ends one.
pub(super) fn generation_of(order: &Order) -> Option<u64> {
    match order.order.as_ref()? {
        Down::Form(form) => Some(form.generation),
        Down::Connect(connect) => Some(connect.generation),
        Down::Synchronise(synchronise) => Some(synchronise.generation),
        Down::Train(train) => Some(train.generation),
        Down::Halt(halt) => Some(halt.generation),
        Down::Evaluate(evaluate) => Some(evaluate.generation),
        Down::Welcome(_)
        | Down::Upload(_)
        | Down::Abort(_)
        | Down::Dismiss(_)
        | Down::Attest(_)
        | Down::SetAside(_) => None,
    }
}

/// The generation that an order ends, together with all before it.
pub(super) fn ends(order: &Order) -> Option<u64> {
    match order.order.as_ref()? {
        Down::Abort(abort) => Some(abort.generation),
        _ => None,
    }
}

impl OrderSender {
    /// Queues an order, and drops orders of the generations that it ends. Returns `false` if there is no room, or
    /// nobody takes any.
    #[must_use]
    pub fn put(&self, message: Message) -> bool {
        let mut queue = self.0.lock();
        if let Some(ended) = message.as_ref().ok().and_then(ends) {
            queue.waiting.retain(|waiting| {
                let of = waiting.as_ref().ok().and_then(|order| generation_of(order).or(ends(order)));
                of.is_none_or(|of| of > ended)
            });
        }
        if queue.left || queue.waiting.len() >= ORDERS {
            return false;
        }
        queue.waiting.push_back(message);
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
        true
    }
}

impl Drop for OrderSender {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.closed = true;
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.left = true;
        queue.waiting.clear();
    }
}

impl Stream for Orders {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut queue = self.0.lock();
        if let Some(message) = queue.waiting.pop_front() {
            return Poll::Ready(Some(message));
        }
        if queue.closed {
            return Poll::Ready(None);
        }
        queue.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::v1::{Abort, Form, Upload};
    use tokio_stream::StreamExt;

    fn form(generation: u64) -> Order {
        let form = Form { generation, rank: 0, world_size: 1, members: Vec::new() };
        Order { order: Some(Down::Form(form)) }
    }

    fn abort(generation: u64) -> Order {
        Order { order: Some(Down::Abort(Abort { generation, reason: String::new() })) }
    }

    #[tokio::test]
    async fn a_worker_that_takes_nothing_finds_what_counts() {
        let (sender, mut orders) = orders();
        assert!(sender.put(Ok(Order { order: Some(Down::Upload(Upload { ticket: 7 })) })));
        // A hundred generations come and go.
        for generation in 1..=100 {
            assert!(sender.put(Ok(form(generation))) && sender.put(Ok(abort(generation))), "{generation}");
        }
        assert!(sender.put(Ok(form(101))));
        drop(sender);
        let mut left = Vec::new();
        while let Some(order) = orders.next().await {
            left.push(order.unwrap().order.unwrap());
        }
        assert!(
            matches!(left[..], [Down::Upload(_), Down::Abort(_), Down::Form(Form { generation: 101, .. })]),
            "{left:?}"
        );
    }

    #[tokio::test]
    async fn a_worker_that_is_gone_takes_nothing() {
        let (sender, orders) = orders();
        assert!(sender.put(Ok(form(1))));
        drop(orders);
        assert!(!sender.put(Ok(form(1))));
    }
}
