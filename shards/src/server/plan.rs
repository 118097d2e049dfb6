//! Answers: what does a shard's thread begin with, and build itself from.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

use stentor_engine::{
    hub::{Alone, Directory, Hub, Mode, Namespace, Setup},
    id::ShardId,
};

use super::Build;
use crate::{
    clock::Clock,
    config::{MAILBOX_CAPACITY, ShardConfig},
    discard::discard,
    engine_server::EngineApp,
    entropy::Entropy,
    fd_table::{Parting, Passage},
    handler::{App, Locals, States},
    log,
    mailbox::{Receiver, mailbox},
    placement,
    post::Post,
    shard::{self, Application, Parts, Reactor, Shard, http::MakeHttpService},
    shared::{LocalDirectory, Shared},
};

/// What a shard's thread begins with.
pub(super) struct Seat {
    poll: mio::Poll,
    listener: std::net::TcpListener,
    mailbox: Receiver<Post>,
    pub(super) passage: Option<Passage>,
}

impl Seat {
    pub(super) fn new(
        listener: std::net::TcpListener,
    ) -> io::Result<(Self, crate::mailbox::Sender<Post>)> {
        let poll = mio::Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), shard::WAKER)?;
        let (post, mailbox) = mailbox(MAILBOX_CAPACITY, move || {
            if let Err(error) = waker.wake() {
                // The sender may be a shard in the midst of something.
                log::later(move || log::error!(%error, "a shard could not be woken"));
            }
        });
        Ok((
            Self {
                poll,
                listener,
                mailbox,
                passage: None,
            },
            post,
        ))
    }
}

/// What a shard's thread builds itself from.
pub(super) struct Plan {
    pub(super) id: ShardId,
    pub(super) config: Arc<ShardConfig>,
    pub(super) shared: Arc<Shared>,
    pub(super) build: Build,
    pub(super) states: States,
    pub(super) http: Option<MakeHttpService>,
    pub(super) clock: Clock,
    pub(super) pin: bool,
    /// Set if the descriptor tables are to part.
    pub(super) parting: Option<Arc<Parting>>,
}

impl Plan {
    pub(super) fn run(self, seat: Seat) -> io::Result<()> {
        if self.pin && placement::pin(usize::from(self.id.0)).is_none() {
            log::warn!(shard = self.id.0, "the thread could not be pinned");
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default());
        // Also if there is no runtime: the other shards wait.
        let parted = self
            .parting
            .as_ref()
            .map_or(Ok(()), |parting| parting.part());
        let runtime = runtime?;
        parted?;
        let shared = Arc::clone(&self.shared);
        let registry = seat.poll.registry().try_clone()?;
        let ended = runtime.block_on(async move {
            let built = self.build(registry, seat.passage);
            shared.ready.fetch_add(1, Ordering::Release);
            let listener = Some(mio::net::TcpListener::from_std(seat.listener));
            shard::run(
                built,
                Reactor {
                    poll: seat.poll,
                    listener,
                    mailbox: seat.mailbox,
                },
            )
            .await
        });
        discard(runtime); // the tasks, which have their share of the shard
        shard::leave();
        ended
    }

    fn build(self, registry: mio::Registry, passage: Option<Passage>) -> std::rc::Rc<Shard> {
        let (mode, application, locals) = match self.build {
            Build::SocketIo(build) => {
                let mut app = App::default();
                build(&mut app);
                let names: Vec<Box<str>> = app
                    .namespaces
                    .iter()
                    .map(|(name, _)| name.clone())
                    .collect();
                let known = self.shared.namespaces.get_or_init(|| names.clone());
                assert!(
                    *known == names,
                    "the app's namespaces differ from shard to shard"
                );
                let gates = app.namespaces.iter().map(|(name, handlers)| Namespace {
                    name: name.clone(),
                    gated: handlers.auth.is_some(),
                });
                let mode = Mode::SocketIo(gates.collect());
                (mode, Application::SocketIo(app.namespaces), app.locals)
            }
            Build::EngineIo(build) => {
                let mut app = EngineApp::default();
                build(&mut app);
                self.shared.namespaces.get_or_init(Vec::new);
                (
                    Mode::EngineIo,
                    Application::EngineIo(app.handlers),
                    Locals::default(),
                )
            }
        };
        let shards = self.shared.sessions.len();
        let directory: Box<dyn Directory> = if shards == 1 {
            Box::new(Alone)
        } else {
            Box::new(LocalDirectory::new(Arc::clone(&self.shared), self.id))
        };
        let mut entropy = Entropy::default();
        let hub = Hub::new(Setup {
            config: self.config.engine.clone(),
            shard: self.id,
            shards,
            mode,
            seed: self.shared.seed,
            directory,
            entropy: Box::new(move |bytes| entropy.fill(bytes)),
        });
        Shard::new(Parts {
            id: self.id,
            hub,
            config: self.config,
            shared: self.shared,
            application,
            states: self.states,
            locals,
            http: self.http.map(|make| make()),
            clock: self.clock,
            registry,
            passage,
        })
    }
}
