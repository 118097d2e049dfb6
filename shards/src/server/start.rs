//! Answers: how does a server start.

use std::{io, mem, sync::Arc, thread};

use stentor_engine::{id::ShardId, limits::SHARDS_MAX};

use super::{
    Build, EVERYWHERE, Running, Server, ServerError,
    check::Options,
    first::First,
    plan::{Plan, Seat},
    running::Threads,
    watchdog,
};
use crate::{
    address::Trusted,
    clock::Clock,
    config::{BACKLOG, ShardConfig},
    fd_table::{Parting, passage},
    listen::{Endpoint, Listen, Listening},
    log::{self, About},
    net::response::HeaderSets,
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
        let trusted = self.check()?;
        log::notice!(Starting, About::default(), version = VERSION, shards);
        let io = self.io();
        let (endpoints, listeners) = self.listen_all()?;
        let seats = self
            .seats(listeners, &io.shared)
            .map_err(ServerError::Start)?;
        let parting = self
            .fd_tables
            .are_apart()
            .then(|| Arc::new(Parting::new(shards)));
        let config = Arc::new(self.shard_config(trusted)?);
        let build = self
            .build
            .unwrap_or_else(|| Build::SocketIo(Arc::new(|_| {})));
        let clock = Clock::start();
        let running = Running {
            endpoints,
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
        for address in running.endpoints() {
            log::notice!(Listening, About::default(), %address);
        }
        Ok(running)
    }

    /// What all shards go by; the server keeps no use for it.
    fn shard_config(&mut self, trusted: Trusted) -> Result<ShardConfig, ServerError> {
        let mut header_sets = HeaderSets::default();
        let policy = mem::take(&mut self.policy).into_policy(&mut header_sets);
        Ok(ShardConfig {
            engine: self.config.clone(),
            path: self.path_prefix().into(),
            trusted,
            keep: self.keep,
            allow_request: self.allow_request.take(),
            policy: policy.map_err(ServerError::Options)?,
            initial_packet: self.initial_packet.take(),
            header_sets,
            tcp_user_timeout: self.tcp_user_timeout,
            waits: self.waits,
            http_compression: self.http_compression,
            serve_client: self.serve_client,
            release_memory: self.release_memory,
            shard_limits: self.shard_limits,
            farewell_timeout: self.farewell_timeout,
        })
    }

    /// Checks the options, and reads those that are text.
    fn check(&self) -> Result<Trusted, ServerError> {
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
            http_compression: self.http_compression,
        };
        let trusted = Trusted::new(&self.trusted_proxies, self.forwarded_header);
        let checked = options.check().and_then(|()| self.policy.check());
        checked.and(trusted).map_err(ServerError::Options)
    }

    /// What the shards' threads begin with; the ways by which they are reached become the server's.
    fn seats(&self, listeners: Vec<Vec<Listening>>, shared: &Shared) -> io::Result<Vec<Seat>> {
        let apart = self.fd_tables.are_apart();
        let (mut seats, mut posts, mut passages) = (Vec::new(), Vec::new(), Vec::new());
        for listeners in listeners {
            let (mut seat, post) = Seat::new(listeners)?;
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

    /// Listens at all places: where it is, and each shard's listeners. What has no listener for each shard is the
    /// first one's.
    fn listen_all(&self) -> Result<(Vec<Endpoint>, Vec<Vec<Listening>>), ServerError> {
        let everywhere = [Listen::from(EVERYWHERE)];
        let places = match &*self.listens {
            [] => &everywhere,
            places => places,
        };
        let mut endpoints = Vec::new();
        let mut listeners: Vec<_> = (0..self.shards).map(|_| Vec::new()).collect();
        for place in places {
            let opened = place.open(self.shards, BACKLOG);
            let (endpoint, opened) = opened.map_err(|error| ServerError::Listen {
                address: place.to_string(),
                error,
            })?;
            endpoints.push(endpoint);
            for (of_shard, listener) in listeners.iter_mut().zip(opened) {
                of_shard.push(listener);
            }
        }
        Ok((endpoints, listeners))
    }
}
