//! Answers: what does a shard's thread begin with, and build itself from.

use std::{
    io,
    panic::catch_unwind,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use stentor_engine::{
    hub::{Alone, Directory, Hub, Mode, Namespace, Setup},
    id::ShardId,
    time::Tick,
};

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use super::{
    Build,
    error::{Failure, words},
    first::First,
};
use crate::{
    clock::Clock,
    config::{MAILBOX_CAPACITY, ShardConfig},
    discard::discard,
    entropy::Entropy,
    fd_table::{Parting, Passage},
    handler::{App, EngineApp, Namespaces},
    listen::Listening,
    log::{self, About},
    mailbox::{Receiver, mailbox},
    placement,
    post::Post,
    shard::{self, Application, Locals, Parts, Shard, States, pages::MakeHttpService},
    shared::{LocalDirectory, Shared},
    turn::{self, Reactor},
};

/// What a shard's thread begins with.
pub(super) struct Seat {
    poll: mio::Poll,
    /// Ends with the shard, however long others keep the way to it.
    waker: Arc<mio::Waker>,
    listeners: Vec<Listening>,
    mailbox: Receiver<Post>,
    pub(super) passage: Option<Passage>,
}

impl Seat {
    pub(super) fn new(
        listeners: Vec<Listening>,
    ) -> io::Result<(Self, crate::mailbox::Sender<Post>)> {
        let poll = mio::Poll::new()?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), turn::WAKER)?);
        let weak = Arc::downgrade(&waker);
        let (post, mailbox) = mailbox(MAILBOX_CAPACITY, move || {
            let woken = weak.upgrade().map_or(Ok(()), |waker| waker.wake());
            if let Err(error) = woken {
                // The sender may be a shard in the midst of something.
                log::later(move || log::line!(NotWoken, About::here(), %error));
            }
        });
        Ok((
            Self {
                poll,
                waker,
                listeners,
                mailbox,
                passage: None,
            },
            post,
        ))
    }
}

/// A shard's runtime. Work that blocks is to run where there is room, and not on the shard's core, where the
/// thread that starts its threads is.
fn runtime() -> io::Result<LocalRuntime> {
    let build = || {
        Builder::new_current_thread()
            .enable_all()
            .on_thread_start(|| {
                placement::unpin_thread();
            })
            .build_local(LocalOptions::default())
    };
    // tokio panics where it lacks a descriptor for signals.
    catch_unwind(build).unwrap_or_else(|panic| Err(io::Error::other(words(panic))))
}

/// A runtime that ends: `spawn_blocking`'s work has some time left, and goes on alone after that.
struct Ending(Option<LocalRuntime>, Duration);

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(self.1);
        }
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
    pub(super) first: Arc<First>,
}

impl Plan {
    pub(super) fn run(self, seat: Seat) -> Result<(), Failure> {
        let first = Arc::clone(&self.first);
        let telling = (self.id.0 == 0).then(|| first.telling());
        if self.pin && placement::pin(usize::from(self.id.0)).is_none() {
            log::notice!(NotPinned, About::shard(self.id.0));
        }
        let why = |what: &str, error: io::Error| {
            let text = format!("{what} of shard {}: {error}", self.id.0);
            io::Error::new(error.kind(), text)
        };
        let runtime = runtime();
        // Also if there is no runtime: the other shards wait.
        let parted = self
            .parting
            .as_ref()
            .map_or(Ok(()), |parting| parting.part());
        let runtime = runtime.map_err(|error| why("the runtime", error))?;
        parted.map_err(|error| why("the descriptor table", error))?;
        let (shared, clock) = (Arc::clone(&self.shared), self.clock);
        let _waker = seat.waker;
        let registry = seat.poll.registry().try_clone();
        let registry = registry.map_err(|error| why("the epoll", error))?;
        if telling.is_none() && !first.is_built() {
            return Err(Failure::First);
        }
        let ended: Result<(), Failure> = runtime.block_on(async move {
            let built = self.build(registry, seat.passage)?;
            if let Some(telling) = telling {
                telling.built();
            }
            shared.ready.fetch_add(1, Ordering::Release);
            let listeners = seat.listeners.into_iter().map(Into::into).collect();
            turn::run(
                built,
                Reactor {
                    poll: seat.poll,
                    listeners,
                    mailbox: seat.mailbox,
                },
            )
            .await?;
            Ok(())
        });
        let by = shard::here().map_or(Tick(0), |shard| shard.stopping.by());
        let left = Duration::from_millis(by.since(clock.now()));
        discard(Ending(Some(runtime), left)); // and the tasks, which have their share of the shard
        shard::leave();
        ended
    }

    fn build(
        self,
        registry: mio::Registry,
        passage: Option<Passage>,
    ) -> Result<Rc<Shard>, Failure> {
        let (mode, application, locals) = match &self.build {
            Build::SocketIo(build) => {
                let mut app = App::default();
                build(&mut app);
                self.check(&app)?;
                let gates = app.namespaces.iter().map(|(name, handlers)| Namespace {
                    name: name.clone(),
                    gated: handlers.auth.is_some(),
                });
                let mode = Mode::SocketIo(gates.collect());
                let handlers = app.namespaces.into_iter().map(|(_, handlers)| handlers);
                let application: Rc<dyn Application> = Rc::new(Namespaces::new(handlers));
                (mode, application, app.locals)
            }
            Build::EngineIo(build) => {
                let mut app = EngineApp::default();
                build(&mut app);
                self.shared.namespaces.get_or_init(Vec::new);
                (Mode::EngineIo, app.into_application(), Locals::default())
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
        Ok(Shard::new(Parts {
            id: self.id,
            hub,
            config: self.config,
            shared: self.shared,
            application,
            states: self.states,
            locals,
            pages: self.http.map(|make| make()),
            clock: self.clock,
            registry,
            passage,
        }))
    }

    /// Whether an application can run, and is the same as on the first shard.
    fn check(&self, app: &App) -> Result<(), Failure> {
        if let Some(fault) = app.fault(&self.states, self.config.keep) {
            return Err(Failure::App(fault));
        }
        let names: Vec<Box<str>> = app
            .namespaces
            .iter()
            .map(|(name, _)| name.clone())
            .collect();
        let known = self.shared.namespaces.get_or_init(|| names.clone());
        if *known != names {
            let shard = self.id.0;
            return Err(Failure::App(format!(
                "shard {shard} was given the namespaces {names:?}, and shard 0 {known:?}: they must be the \
                 same, in the same order"
            )));
        }
        Ok(())
    }
}
