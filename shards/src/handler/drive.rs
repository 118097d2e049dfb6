//! Answers: how is a handler called without harm to the shard, and driven as far as it goes at once.
//!
//! Nothing of the shard is borrowed while it runs; a panic is caught and ends that call alone. Its future is
//! polled once at once: only one that really waits becomes a task ([`Shard::wait_for`]).

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{self, Poll, Waker},
};

use stentor_engine::hub::SocketKey;

use super::{
    call::{Call, Context, LocalFuture, Outcome},
    extract::Reject,
};
use crate::{discard::discard, shard::Shard};

/// A future that ends with `None` when it panics, and may panic when it is dropped.
pub(super) struct Guarded<R>(Option<LocalFuture<R>>);

impl<R> Future for Guarded<R> {
    type Output = Option<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<R>> {
        let Some(future) = &mut self.0 else {
            return Poll::Ready(None);
        };
        // Nothing of the shard is borrowed here, and the future is not polled again.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(panic) => {
                discard(panic);
                Poll::Ready(None)
            }
        }
    }
}

impl<R> Drop for Guarded<R> {
    fn drop(&mut self) {
        discard(self.0.take());
    }
}

/// What calling a handler came to.
pub(super) enum Driven<R> {
    /// Its result; `None` if it panicked.
    Done(Option<Result<R, Reject>>),
    /// It waits for something.
    Waits(Guarded<R>),
}

/// Calls a handler and drives it as far as it goes without waiting.
#[inline]
pub(super) fn begin<R>(call: &Rc<dyn Call<R>>, context: &Context<'_>) -> Driven<R> {
    let outcome = catch_unwind(AssertUnwindSafe(|| call.call(context)));
    let future = match outcome {
        Err(panic) => {
            discard(panic);
            return Driven::Done(None);
        }
        Ok(Outcome::Rejected(reject)) => return Driven::Done(Some(Err(reject))),
        Ok(Outcome::Done(result)) => return Driven::Done(Some(Ok(result))),
        Ok(Outcome::Begun(future)) => future,
    };
    let mut future = Guarded(Some(future));
    match Pin::new(&mut future).poll(&mut task::Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Driven::Done(result.map(Ok)),
        Poll::Pending => Driven::Waits(future),
    }
}

/// The same; `finish` gets the handler's result, now or later. One that waits is the socket's, if there
/// is one.
pub(super) fn drive<R: 'static>(
    shard: &Rc<Shard>,
    socket: Option<SocketKey>,
    call: &Rc<dyn Call<R>>,
    context: &Context<'_>,
    finish: impl FnOnce(Option<Result<R, Reject>>) + 'static,
) {
    match begin(call, context) {
        Driven::Done(result) => finish(result),
        Driven::Waits(future) => {
            let bytes = context.args().0.len();
            shard.wait_for(socket, bytes, future, |result| finish(result.map(Ok)));
        }
    }
}
