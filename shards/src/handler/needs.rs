//! Answers: what must a server have so that its handlers can be called, and what does it lack.
//!
//! A handler says by its parameters' types what it needs. What is not there when the server starts will not
//! be there at the first event either, so that the start says it.

use std::any::{TypeId, type_name};

use super::registry::App;
use crate::{handshake::Keep, shard::States};

/// What a handler's parameters need of the server.
#[derive(Debug, Default)]
pub struct Needs(Vec<Need>);

impl Needs {
    pub(super) fn add(&mut self, need: Need) {
        self.0.push(need);
    }
}

/// A type of state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Type {
    id: TypeId,
    name: &'static str,
}

impl Type {
    pub(super) fn of<T: 'static>() -> Self {
        Self {
            id: TypeId::of::<T>(),
            name: type_name::<T>(),
        }
    }
}

/// One thing that a parameter needs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Need {
    /// [`crate::Server::state`] of this type.
    State(Type),
    /// [`crate::App::local`] of this type.
    Local(Type),
    /// Arguments, of which there is a first one.
    Arguments,
    /// What the client connected with.
    Credentials,
    /// The request that the session began with.
    Handshake,
    /// Why the client has left.
    Reason,
}

/// What a handler runs for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Auth,
    Connect,
    Upgrade,
    Disconnect,
    Fallback,
    Event(Box<str>),
}

impl Place {
    /// As it was registered.
    fn words(&self) -> String {
        match self {
            Self::Auth => "`auth`".to_owned(),
            Self::Connect => "`on_connect`".to_owned(),
            Self::Upgrade => "`on_upgrade`".to_owned(),
            Self::Disconnect => "`on_disconnect`".to_owned(),
            Self::Fallback => "`on_fallback`".to_owned(),
            Self::Event(name) => format!("the handler of {name:?}"),
        }
    }
}

/// What one handler needs.
#[derive(Debug)]
pub(super) struct Needy {
    /// Its namespace, by number.
    pub(super) namespace: usize,
    pub(super) place: Place,
    pub(super) needs: Needs,
}

impl App {
    /// Why nobody could be served as the application wants, in sentences; `None` if all is well.
    pub(crate) fn fault(&self, states: &States, keep: Keep) -> Option<String> {
        let mut faults = self.faults.clone();
        for needy in &self.needy {
            let (namespace, handlers) = &self.namespaces[needy.namespace];
            let lacking = needy.needs.0.iter().filter_map(|need| {
                let keep_auth = handlers.keep_auth;
                self.lacks(states, keep, keep_auth, &needy.place, *need)
            });
            for lacking in lacking {
                let place = needy.place.words();
                faults.push(format!("{place} in {namespace:?} {lacking}"));
            }
        }
        faults.dedup();
        (!faults.is_empty()).then(|| faults.join("; "))
    }

    /// What is missing, after "the handler of …".
    fn lacks(
        &self,
        states: &States,
        keep: Keep,
        keep_auth: bool,
        place: &Place,
        need: Need,
    ) -> Option<String> {
        match need {
            Need::State(Type { id, name }) => (!states.has(id)).then(|| {
                format!("has a parameter State<{name}>, and Server::state was given no {name}")
            }),
            Need::Local(Type { id, name }) => (!self.locals.has(id)).then(|| {
                format!("has a parameter Local<{name}>, and App::local was given no {name}")
            }),
            Need::Arguments => {
                let none = matches!(place, Place::Upgrade | Place::Disconnect);
                none.then(|| "has a parameter Data, and nothing comes with that".to_owned())
            }
            Need::Credentials => {
                let known = keep_auth || matches!(place, Place::Auth | Place::Connect);
                (!known).then(|| {
                    "has a parameter Auth, which only `auth` and `on_connect` can have unless the \
                     namespace keeps it: NamespaceBuilder::keep_auth"
                        .to_owned()
                })
            }
            Need::Handshake => (keep == Keep::Nothing).then(|| {
                "has a parameter Rc<Handshake>, and Server::keep_handshakes keeps none".to_owned()
            }),
            Need::Reason => (*place != Place::Disconnect)
                .then(|| "has a parameter Reason, which only `on_disconnect` can have".to_owned()),
        }
    }
}
