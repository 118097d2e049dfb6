//! Answers: which handlers wait for something, whose they are, how many there may be, and when they go.
//!
//! A handler that returns at once is never seen here. One that waits is a task of the shard's runtime and a
//! row in [`Tasks`]:
//!
//! - Handlers of events, of a connect and of an auth are their socket's. When that goes, they learn it by what
//!   they wait for ([`crate::AckError::Disconnected`]), and may go on for
//!   [`crate::Server::farewell_timeout`]; then those that still wait are dropped. If the server stops they
//!   have until it has stopped.
//! - Disconnect handlers are the shard's: they finish.
//! - A socket that has [`crate::ShardLimits::waiting_handlers`], or whose events hold [`BYTES_MAX`], is told "no" at
//!   its next event:
//!   [`Tasks::is_full`], one comparison where no socket of the shard is at its bound.
//!
//! A server that stops asks [`Tasks::len`] how many it has still to wait for; each that ends while the shard
//! stops makes it turn once more.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    future::Future,
    rc::Rc,
};

use stentor_engine::{
    hub::SocketKey,
    slab::{Key, Slab},
    time::Tick,
};
use tokio::task::AbortHandle;

use super::{Shard, take};

/// Handlers of sockets that have gone, on one shard. Above it those go at once whose sockets went first.
const LEFT_MAX: usize = 16 * 1024;

/// Bytes of the events whose handlers wait for one socket: what is theirs may be in the handlers. Each may be a
/// message long, with its attachments.
const BYTES_MAX: usize = 16 << 20;

/// A handler that waits.
#[derive(Debug)]
struct Row {
    /// `None` if it is the shard's.
    socket: Option<SocketKey>,
    /// What ends it; set as soon as it is a task.
    abort: Option<AbortHandle>,
    /// Of what it was called with.
    bytes: usize,
    /// Its neighbours among those of its socket.
    previous: Option<Key<Self>>,
    next: Option<Key<Self>>,
}

/// A socket's handlers: how many, called with how much, and the last that began.
#[derive(Debug, Default)]
struct Own {
    count: usize,
    bytes: usize,
    last: Option<Key<Row>>,
}

/// The handlers of a shard that wait.
#[derive(Debug)]
pub(crate) struct Tasks {
    rows: RefCell<Slab<Row>>,
    own: RefCell<HashMap<u64, Own>>,
    /// What sockets that have gone have left, and when each is dropped: in the order they went.
    left: RefCell<VecDeque<(Tick, Key<Row>)>>,
    /// As many may wait for one socket.
    most: usize,
    /// Sockets that have as many.
    full: Cell<usize>,
    /// Handlers that were not called for that.
    refused: Cell<u64>,
}

impl Own {
    const fn is_full(&self, most: usize) -> bool {
        self.count >= most || self.bytes >= BYTES_MAX
    }

    /// One more, or less: and how that changes the number of those that are full.
    fn change(&mut self, most: usize, full: &Cell<usize>, change: impl FnOnce(&mut Self)) {
        let was_full = self.is_full(most);
        change(self);
        match (was_full, self.is_full(most)) {
            (false, true) => full.set(full.get() + 1),
            (true, false) => full.set(full.get() - 1),
            _ => {}
        }
    }
}

impl Tasks {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            rows: RefCell::default(),
            own: RefCell::default(),
            left: RefCell::default(),
            most: most.max(1),
            full: Cell::new(0),
            refused: Cell::new(0),
        }
    }

    /// Counts a handler that is not called because its socket is full: how many that makes.
    pub(crate) fn note_refused(&self) -> u64 {
        self.refused.set(self.refused.get() + 1);
        self.refused.get()
    }

    /// Handlers that wait, disconnect handlers included, and those that were dropped a moment ago.
    pub(crate) fn len(&self) -> usize {
        self.rows.borrow().len()
    }

    /// Whether a socket has as many handlers waiting as it may.
    #[inline]
    pub(crate) fn is_full(&self, socket: SocketKey) -> bool {
        self.full.get() > 0 && self.has_most(socket)
    }

    #[cold]
    fn has_most(&self, socket: SocketKey) -> bool {
        let own = self.own.borrow();
        own.get(&socket.to_bits())
            .is_some_and(|own| own.is_full(self.most))
    }

    fn add(&self, socket: Option<SocketKey>, bytes: usize) -> Key<Row> {
        let mut rows = self.rows.borrow_mut();
        let key = rows.insert(Row {
            socket,
            abort: None,
            bytes,
            previous: None,
            next: None,
        });
        let Some(socket) = socket else { return key };
        let mut own = self.own.borrow_mut();
        let own = own.entry(socket.to_bits()).or_default();
        own.change(self.most, &self.full, |own| {
            own.count += 1;
            own.bytes += bytes;
        });
        let previous = own.last.replace(key);
        if let Some(row) = rows.get_mut(key) {
            row.previous = previous;
        }
        if let Some(row) = previous.and_then(|key| rows.get_mut(key)) {
            row.next = Some(key);
        }
        key
    }

    fn set_abort(&self, key: Key<Row>, abort: AbortHandle) {
        if let Some(row) = self.rows.borrow_mut().get_mut(key) {
            row.abort = Some(abort);
        }
    }

    /// From now on a handler is the shard's.
    fn free(&self, key: Key<Row>) {
        let mut rows = self.rows.borrow_mut();
        let Some(row) = rows.get_mut(key) else { return };
        let (previous, next, bytes) = (row.previous.take(), row.next.take(), row.bytes);
        let Some(socket) = row.socket.take() else {
            return;
        };
        if let Some(row) = next.and_then(|key| rows.get_mut(key)) {
            row.previous = previous;
        }
        if let Some(row) = previous.and_then(|key| rows.get_mut(key)) {
            row.next = next;
        }
        let mut owners = self.own.borrow_mut();
        let Some(own) = owners.get_mut(&socket.to_bits()) else {
            return;
        };
        own.change(self.most, &self.full, |own| {
            own.count -= 1;
            own.bytes -= bytes;
        });
        if own.last == Some(key) {
            own.last = previous;
        }
        let none = own.count == 0;
        drop(owners);
        if none {
            take(&self.own, socket.to_bits());
        }
    }

    fn remove(&self, key: Key<Row>) {
        self.free(key);
        self.rows.borrow_mut().remove(key);
    }

    /// A socket has gone: its handlers have until `due`.
    fn leave(&self, socket: SocketKey, due: Tick) {
        let Some(own) = take(&self.own, socket.to_bits()) else {
            return;
        };
        if own.is_full(self.most) {
            self.full.set(self.full.get() - 1);
        }
        let mut rows = self.rows.borrow_mut();
        let mut at = own.last;
        while let Some((key, row)) = at.and_then(|key| Some((key, rows.get_mut(key)?))) {
            row.socket = None;
            row.next = None;
            at = row.previous.take();
            self.left.borrow_mut().push_back((due, key));
        }
    }

    /// When the next handler is to be dropped whose socket has gone.
    pub(crate) fn due(&self) -> Option<Tick> {
        self.left.borrow().front().map(|(due, _)| *due)
    }

    /// What ends the next of them, if its time has come, or if there are too many.
    fn next_late(&self, now: Tick) -> Option<AbortHandle> {
        loop {
            let mut left = self.left.borrow_mut();
            let too_many = left.len() > LEFT_MAX;
            let (_, key) = left.pop_front_if(|(due, _)| too_many || *due <= now)?;
            if left.is_empty() {
                left.shrink_to_fit();
            }
            if let Some(row) = self.rows.borrow_mut().get_mut(key) {
                return row.abort.take();
            }
        }
    }
}

/// A row, while its handler lives.
struct Entry {
    shard: Rc<Shard>,
    key: Key<Row>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.shard.tasks.remove(self.key);
        if self.shard.stopping.get() {
            self.shard.want_turn(); // this may be what the shard waits for
        }
    }
}

impl Shard {
    /// A handler waits: it becomes a task, its socket's if there is one. `finish` gets its result, unless
    /// it is dropped before. It was called with so many bytes.
    pub(crate) fn wait_for<R: 'static>(
        self: &Rc<Self>,
        socket: Option<SocketKey>,
        bytes: usize,
        handler: impl Future<Output = R> + 'static,
        finish: impl FnOnce(R) + 'static,
    ) {
        let key = self.tasks.add(socket, bytes);
        let entry = Entry {
            shard: Rc::clone(self),
            key,
        };
        let task = tokio::task::spawn_local(async move {
            let _entry = entry;
            finish(handler.await);
        });
        self.tasks.set_abort(key, task.abort_handle());
        if let Some(socket) = socket
            && self.hub.borrow().socket_id(socket).is_none()
        {
            self.leave_handlers(socket); // it has ended its socket before it waited
        }
    }

    /// A socket has gone: so do its handlers, soon.
    pub(crate) fn leave_handlers(&self, socket: SocketKey) {
        let now = self.now.get();
        let due = now.after(self.config.farewell_timeout);
        self.tasks.leave(socket, due);
        self.drop_late_handlers(now);
    }

    /// Drops the handlers whose sockets went long enough ago. The runtime does it when it next has time,
    /// with nothing of the shard borrowed.
    pub(crate) fn drop_late_handlers(&self, now: Tick) {
        while let Some(late) = self.tasks.next_late(now) {
            late.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(n: u64) -> SocketKey {
        SocketKey::from_bits(n)
    }

    #[test]
    fn a_socket_is_full_until_one_of_its_handlers_ends() {
        let tasks = Tasks::new(3);
        let rows: Vec<_> = (0..3).map(|_| tasks.add(Some(socket(1)), 9)).collect();
        let other = tasks.add(Some(socket(2)), 0);
        assert!(tasks.is_full(socket(1)) && !tasks.is_full(socket(2)));
        tasks.remove(rows[1]);
        assert!(!tasks.is_full(socket(1)));
        let again = tasks.add(Some(socket(1)), 9);
        assert!(tasks.is_full(socket(1)));
        for row in [rows[0], again, rows[2], other] {
            tasks.remove(row);
        }
        assert_eq!((tasks.len(), tasks.full.get()), (0, 0));
        assert!(tasks.own.borrow().is_empty());
    }

    #[test]
    fn a_socket_is_full_of_large_events() {
        let tasks = Tasks::new(100);
        let rows = [(); 2].map(|()| tasks.add(Some(socket(1)), BYTES_MAX / 2));
        assert!(tasks.is_full(socket(1)));
        tasks.remove(rows[0]);
        assert!(!tasks.is_full(socket(1)));
        tasks.add(Some(socket(1)), BYTES_MAX);
        assert!(tasks.is_full(socket(1)));
        tasks.leave(socket(1), Tick(5));
        assert_eq!(tasks.full.get(), 0);
    }

    #[test]
    fn the_handlers_of_a_socket_are_found_whichever_ended_before() {
        let tasks = Tasks::new(8);
        for gone in 0..4 {
            let rows: Vec<_> = (0..4).map(|_| tasks.add(Some(socket(1)), 9)).collect();
            let others: Vec<_> = (0..2).map(|_| tasks.add(None, 0)).collect();
            tasks.remove(rows[gone]);
            tasks.leave(socket(1), Tick(5));
            let left = std::mem::take(&mut *tasks.left.borrow_mut());
            assert_eq!(left.len(), 3, "without the one at {gone}");
            assert_eq!(
                tasks.len(),
                5,
                "their rows stay until they have been dropped"
            );
            for row in rows.into_iter().chain(others) {
                tasks.remove(row);
            }
            assert_eq!(tasks.len(), 0);
        }
    }
}
