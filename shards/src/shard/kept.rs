//! Answers: what does a shard keep that user code has made, and how does it go.
//!
//! Whatever drops such a value runs user code: it does so by [`discard`], and with nothing borrowed.

use std::{
    any::{Any, TypeId},
    cell::RefCell,
    collections::HashMap,
    fmt,
    future::Future,
    mem::take,
    pin::Pin,
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use stentor_engine::{
    hub::{SessionKey, SocketKey},
    id::{NamespaceId, SocketId},
};

use super::{Application, Shard, take as take_row};
use crate::{
    discard::discard,
    handshake::Handshake,
    log::{self, About},
};

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A response's body: ours is one piece, the application's is its own.
pub(crate) type ResponseBody = Either<Full<Bytes>, UnsyncBoxBody<Bytes, BoxError>>;
/// A response as hyper writes it.
pub(crate) type HttpResponse = Response<ResponseBody>;
pub(crate) type HttpFuture = Pin<Box<dyn Future<Output = HttpResponse>>>;
/// The application's pages, as one shard serves them.
pub(crate) type HttpService = Rc<dyn Fn(Request<Incoming>) -> HttpFuture>;

/// Values that user code keeps with a socket, one of each type.
#[derive(Default)]
pub(crate) struct Extensions(RefCell<HashMap<TypeId, Rc<dyn Any>>>);

impl Extensions {
    pub(crate) fn set<T: 'static>(&self, value: T) {
        let value: Rc<dyn Any> = Rc::new(value);
        let old = self.0.borrow_mut().insert(TypeId::of::<T>(), value);
        drop(old); // no longer borrowed: its `Drop` may read and keep values
    }

    pub(crate) fn get<T: 'static>(&self) -> Option<Rc<T>> {
        let value = self.0.borrow().get(&TypeId::of::<T>()).cloned()?;
        value.downcast().ok()
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extensions({})", self.0.borrow().len())
    }
}

/// The last who drops the table may be a handler's future, or the shard.
impl Drop for Extensions {
    fn drop(&mut self) {
        self.0.take().into_values().for_each(discard);
    }
}

/// What is left of a socket that has gone, for its disconnect handlers.
#[derive(Debug)]
pub(crate) struct Farewell {
    pub(crate) id: SocketId,
    pub(crate) rooms: Vec<Box<str>>,
    pub(crate) extensions: Option<Rc<Extensions>>,
    pub(crate) handshake: Option<Rc<Handshake>>,
}

impl Farewell {
    pub(crate) fn about(&self, shard: &Shard, namespace: NamespaceId) -> About {
        let handshake = self.handshake.as_ref();
        About {
            socket: Some(self.id.to_string()),
            namespace: Some(log::peer(shard.hub.borrow().namespace_name(namespace))),
            peer: handshake.map(|handshake| handshake.client()),
            ..shard.about()
        }
    }
}

/// State for all shards, by type.
#[derive(Default, Clone)]
pub(crate) struct States(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl States {
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, state: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(state));
    }

    fn get<T: 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }

    pub(crate) fn has(&self, state: TypeId) -> bool {
        self.0.contains_key(&state)
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "States({})", self.0.len())
    }
}

/// The last shard drops the values.
impl Drop for States {
    fn drop(&mut self) {
        take(&mut self.0).into_values().for_each(discard);
    }
}

/// State of one shard, by type.
#[derive(Default)]
pub(crate) struct Locals(HashMap<TypeId, Rc<dyn Any>>);

impl Locals {
    pub(crate) fn insert<T: 'static>(&mut self, state: T) {
        self.0.insert(TypeId::of::<T>(), Rc::new(state));
    }

    fn get<T: 'static>(&self) -> Option<Rc<T>> {
        self.0.get(&TypeId::of::<T>())?.clone().downcast().ok()
    }

    pub(crate) fn has(&self, state: TypeId) -> bool {
        self.0.contains_key(&state)
    }
}

impl Drop for Locals {
    fn drop(&mut self) {
        take(&mut self.0).into_values().for_each(discard);
    }
}

impl fmt::Debug for Locals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Locals({})", self.0.len())
    }
}

/// Everything of user code's that a shard keeps, and the requests that its sessions began with.
pub(crate) struct UserState {
    /// `None` when the shard has ended.
    application: RefCell<Option<Rc<dyn Application>>>,
    pages: RefCell<Option<HttpService>>,
    states: RefCell<States>,
    locals: RefCell<Locals>,
    /// By socket.
    extensions: RefCell<HashMap<u64, Rc<Extensions>>>,
    /// By session.
    handshakes: RefCell<HashMap<u64, Rc<Handshake>>>,
}

impl UserState {
    pub(crate) fn new(
        application: Rc<dyn Application>,
        pages: Option<HttpService>,
        states: States,
        locals: Locals,
    ) -> Self {
        Self {
            application: RefCell::new(Some(application)),
            pages: RefCell::new(pages),
            states: RefCell::new(states),
            locals: RefCell::new(locals),
            extensions: RefCell::default(),
            handshakes: RefCell::default(),
        }
    }

    /// The shard has ended: drops everything. User code drops nothing while something is borrowed.
    pub(crate) fn forget(&self) {
        discard(self.pages.take());
        drop(self.application.take());
        drop(self.locals.take());
        drop(self.states.take());
        drop(self.extensions.take());
        drop(self.handshakes.take());
    }

    pub(crate) fn has_nothing_borrowed(&self) -> bool {
        self.extensions.try_borrow_mut().is_ok()
    }

    #[inline]
    pub(crate) fn application(&self) -> Option<Rc<dyn Application>> {
        self.application.borrow().clone()
    }

    pub(crate) fn pages(&self) -> Option<HttpService> {
        self.pages.borrow().clone()
    }

    /// A copy of the state for all shards of this type.
    pub(crate) fn state<T: Clone + 'static>(&self) -> Option<T> {
        self.states.borrow().get::<T>().cloned()
    }

    /// The state of this shard of this type.
    pub(crate) fn local<T: 'static>(&self) -> Option<Rc<T>> {
        self.locals.borrow().get::<T>()
    }

    // ---- of sockets and sessions ----

    pub(crate) fn extensions(&self, socket: SocketKey) -> Option<Rc<Extensions>> {
        self.extensions.borrow().get(&socket.to_bits()).cloned()
    }

    /// The same, which begin now if the socket has none.
    pub(crate) fn new_extensions(&self, socket: SocketKey) -> Rc<Extensions> {
        let mut extensions = self.extensions.borrow_mut();
        Rc::clone(extensions.entry(socket.to_bits()).or_default())
    }

    pub(crate) fn take_extensions(&self, socket: SocketKey) -> Option<Rc<Extensions>> {
        take_row(&self.extensions, socket.to_bits())
    }

    pub(crate) fn handshake(&self, session: SessionKey) -> Option<Rc<Handshake>> {
        self.handshakes.borrow().get(&session.to_bits()).cloned()
    }

    pub(crate) fn keep_handshake(&self, session: SessionKey, handshake: Handshake) {
        let mut handshakes = self.handshakes.borrow_mut();
        handshakes.insert(session.to_bits(), Rc::new(handshake));
    }

    pub(crate) fn forget_handshake(&self, session: SessionKey) {
        take_row(&self.handshakes, session.to_bits());
    }
}
