//! Answers: which user code runs for what, and how its arguments and results are made.
//!
//! Handlers are registered once per namespace and shard, not per socket. It must not know about
//! transports, connections or frames.

mod call;
mod extract;
mod handshake;
mod needs;
mod registry;
mod reply;
mod wanted;

pub use call::{AsyncHandler, Context, Params, SyncHandler};
pub(crate) use call::{Call, Cause, LocalFuture, Outcome, Verdict};
pub use extract::{Auth, Data, EventName, FromContext, Kept, Local, Reason, Reject, State};
pub(crate) use extract::{Credentials, INTERNAL_ERROR};
pub use handshake::{Handshake, Keep};
pub use needs::Needs;
pub use registry::{App, NamespaceBuilder};
pub(crate) use registry::{Handlers, Locals, States};
pub(crate) use reply::Reply;
pub use reply::{Ack, ConnectReply, IntoReply, NoAck, Refused};
pub use wanted::AckHandle;
pub(crate) use wanted::{Answered, Wanted};
