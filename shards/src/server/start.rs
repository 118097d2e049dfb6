//! Answers: how does a server start.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    thread,
};

use stentor_engine::{id::ShardId, limits::SHARDS_MAX};

use super::{
    Build, Running, Server, ServerError,
    check::Options,
    first::First,
    plan::{Plan, Seat},
    running::Threads,
    watchdog,
};
use crate::{
    clock::Clock,
    config::{BACKLOG, ShardConfig},
    fd_table::{Parting, passage},
    log::{self, About},
    net::response::HeaderSets,
    placement,
    shared::Shared,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Server {
    /// Starts the server on threads of its own. It returns when clients can connect.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// # fn main() -> stentor::Result {
    /// let running = Server::new().listen("127.0.0.1:0").start()?;
    /// println!("listening on http://{}", running.address());
    /// running.stop()
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn start(mut self) -> Result<Running, ServerError> {
        let shards = self.shards;
        self.check()?;
        log::notice!(Starting, About::default(), version = VERSION, shards);
        let io = self.io();
        let (address, listeners) = self.listen_all()?;
        let seats = self
            .seats(listeners, &io.shared)
            .map_err(ServerError::Start)?;
        let parting = self
            .fd_tables
            .are_apart()
            .then(|| Arc::new(Parting::new(shards)));
        let path = self.path_prefix().into();
        let mut header_sets = HeaderSets::default();
        let policy = self.policy.into_policy(&mut header_sets);
        let policy = policy.map_err(ServerError::Options)?;
        let config = Arc::new(ShardConfig {
            engine: self.config,
            path,
            keep: self.keep,
            allow_request: self.allow_request,
            header_sets,
            policy,
            initial_packet: self.initial_packet,
            tcp_user_timeout: self.tcp_user_timeout,
            waits: self.waits,
            release_memory: self.release_memory,
            shard_limits: self.shard_limits,
            farewell_timeout: self.farewell_timeout,
        });
        let build = self
            .build
            .unwrap_or_else(|| Build::SocketIo(Arc::new(|_| {})));
        let clock = Clock::start();
        let running = Running {
            address,
            io,
            clock,
            stop_timeout: self.stop_timeout,
            threads: Threads::default(),
            parted: parting.is_some(),
        };
        let first = Arc::<First>::default();
        for (index, seat) in seats.into_iter().enumerate() {
            let plan = Plan {
                id: ShardId(index as u8), // at most 64
                config: Arc::clone(&config),
                shared: Arc::clone(&running.io.shared),
                build: build.clone(),
                states: self.states.clone(),
                http: self.http.clone(),
                clock,
                pin: self.pin,
                parting: parting.clone(),
                first: Arc::clone(&first),
            };
            let thread = thread::Builder::new().name(format!("shard-{index}"));
            match thread.spawn(move || plan.run(seat)) {
                Ok(thread) => running.threads.add(thread),
                Err(error) => {
                    if let Some(parting) = &parting {
                        parting.call_off();
                    }
                    let text = format!("no thread for shard {index}: {error}");
                    let error = io::Error::new(error.kind(), text);
                    return Err(running.abandon(ServerError::Start(error)));
                }
            }
        }
        if let Err(error) = running.await_ready() {
            return Err(running.abandon(error));
        }
        watchdog::start(Arc::clone(&running.io.shared), clock);
        log::notice!(Listening, About::default(), %address);
        Ok(running)
    }

    fn check(&self) -> Result<(), ServerError> {
        let shards = self.shards;
        let shared = self.shared.as_ref();
        let is_late = shared.is_some_and(|shared| shared.sessions.len() != shards); // than `io`
        if !(1..=SHARDS_MAX).contains(&shards) || is_late {
            return Err(ServerError::Shards(shards));
        }
        let options = Options {
            config: &self.config,
            waits: &self.waits,
            shard_limits: &self.shard_limits,
            path: &self.path,
            tcp_user_timeout: self.tcp_user_timeout,
        };
        let checked = options.check().and_then(|()| self.policy.check());
        checked.map_err(ServerError::Options)
    }

    /// What the shards' threads begin with; the ways by which they are reached become the server's.
    fn seats(
        &self,
        listeners: Vec<std::net::TcpListener>,
        shared: &Shared,
    ) -> io::Result<Vec<Seat>> {
        let apart = self.fd_tables.are_apart();
        let (mut seats, mut posts, mut passages) = (Vec::new(), Vec::new(), Vec::new());
        for listener in listeners {
            let (mut seat, post) = Seat::new(listener)?;
            if apart {
                let (to, from) = passage()?;
                seat.passage = Some(from);
                passages.push(to);
            }
            seats.push(seat);
            posts.push(post);
        }
        let packet_bytes = self.config.limits.packet_bytes;
        let set = shared.packet_bytes.set(packet_bytes);
        set.expect("a server starts once");
        shared.posts.set(posts).expect("a server starts once");
        if apart {
            let set = shared.passages.set(passages);
            set.expect("a server starts once");
        }
        Ok(seats)
    }

    fn listen_all(&self) -> Result<(SocketAddr, Vec<std::net::TcpListener>), ServerError> {
        let fail = |error| ServerError::Listen {
            address: self.address.clone(),
            error,
        };
        let mut address = self
            .address
            .to_socket_addrs()
            .map_err(fail)?
            .next()
            .ok_or_else(|| {
                fail(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "the name has no address",
                ))
            })?;
        if self.shards > 1 {
            // Shards share the port by SO_REUSEPORT, which another server would share in as well.
            placement::check_free(address).map_err(fail)?;
        }
        let mut listeners = Vec::new();
        for _ in 0..self.shards {
            let listener = placement::listener(address, self.shards > 1, BACKLOG).map_err(fail)?;
            address = listener.local_addr().map_err(fail)?;
            listeners.push(listener);
        }
        Ok((address, listeners))
    }
}
