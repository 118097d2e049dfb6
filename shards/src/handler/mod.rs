//! Answers: which user code runs for what, and how its arguments and results are made.
//!
//! Handlers are registered once per namespace and shard, not per socket. It must not know about
//! transports, connections or frames.

mod call;
mod dispatch;
mod drive;
mod engine;
mod extract;
mod needs;
mod owed;
mod registry;
mod reply;

pub use call::{AsyncHandler, Context, Params, SyncHandler};
pub(crate) use dispatch::Namespaces;
pub use engine::EngineApp;
pub use extract::{Auth, Data, EventName, FromContext, Kept, Local, Reason, Reject, State};
pub use needs::Needs;
pub use owed::AckHandle;
pub use registry::{App, NamespaceBuilder};
pub use reply::{Ack, ConnectReply, HandlerError, IntoReply, NoAck, Refused};
