//! Answers: how does a client go from polling to a WebSocket, well or badly.

use super::{
    client::{Sent, Style, Upgrade, Via, What, Wire},
    net::{Break, Conn, End, Inbound},
    world::{Task, World},
};

impl World {
    pub(super) fn upgrade(&mut self, at: usize) {
        let client = &self.clients[at];
        if client.via != Via::Polling || self.is_behind(client.hub) {
            return;
        }
        let habit = client.habit;
        let session = &self.oracle.sessions[at];
        let (hub, key) = (session.hub, session.key);
        self.signals(hub); // a probe that this turn gave up on is over
        let session = &self.oracle.sessions[at];
        let client = &self.clients[at];
        let mut conns = self.net.conns.iter();
        let probing = conns.any(|c| c.client == at && c.id.is_some() && c.probing);
        let allowed = self.config.allow_upgrades;
        let wanted = session.open && !session.upgraded && !probing && allowed;
        let second = client.upgrade != Upgrade::No;
        let style = match self.random.below(100) {
            0..=59 => Style::Good,
            60..=67 => Style::CloseEarly,
            68..=75 => Style::CloseLate,
            76..=82 => Style::Forget,
            83..=88 => Style::LateFive,
            89..=95 => Style::Garbage,
            _ => Style::Direct,
        };
        let at_conn = self.net.conns.len();
        let id = self.net.name();
        let conn = self.conn(at, hub, key, habit);
        self.net.conns.push(Conn {
            id: Some(id),
            ..conn
        });
        let took = self.hubs[hub].recv_probe_open(self.now, key, id);
        if took && self.clients[at].text_only {
            self.hubs[hub].recv_b64(key);
        }
        self.log(format_args!(
            "client {at} upgrades on {id:?}: {style:?}, {took}"
        ));
        self.oracle
            .expect(took == wanted, "a probe was wrongly taken or refused");
        if !took {
            self.net.free(at_conn, self.now, End::Quiet);
        } else if second {
            // The server has given up on the first probe, and the client does not know yet.
            self.vanish(at, Break::Reset);
        } else {
            self.clients[at].upgrade = Upgrade::Asked(at_conn, style);
            self.begin_probe(at, at_conn, style);
        }
        self.drain(hub);
    }

    fn probe_says(&mut self, conn: usize, text: &str) {
        let wire = Wire::Text(text.into());
        let what = What::Probe;
        let sent = Inbound::Message(Sent { wire, what });
        self.net.conns[conn].inbound.push_back(sent);
        self.soon(Task::Recv(conn));
    }

    fn begin_probe(&mut self, at: usize, conn: usize, style: Style) {
        match style {
            Style::Good | Style::CloseLate | Style::Forget | Style::LateFive => {
                self.probe_says(conn, "2probe");
            }
            Style::CloseEarly => {
                self.net.conns[conn].inbound.push_back(Inbound::End);
                self.soon(Task::Recv(conn));
                self.gives_up(at);
            }
            Style::Garbage => {
                let text = self.random.pick(&["3", "40", "", "2", "2prob"]);
                self.probe_says(conn, text);
            }
            Style::Direct => {
                // Whatever GET it has must be answered; it does not stay to see what follows.
                self.probe_says(conn, "5");
                self.clients[at].gone = true;
                self.oracle.sessions[at].left = true;
                self.oracle.sessions[at].lapse = u64::MAX;
            }
        }
    }

    fn gives_up(&mut self, at: usize) {
        self.clients[at].upgrade = Upgrade::No;
        self.poll(at);
        self.transmit(at);
    }

    /// The server spoke on a connection that probes.
    pub(super) fn probe_answers(&mut self, at: usize, conn: usize, payload: &[u8]) {
        self.oracle
            .expect(payload == b"3probe", "a probe was answered wrongly");
        match self.clients[at].upgrade {
            Upgrade::Asked(c, Style::Good | Style::LateFive) if c == conn => {
                if self.clients[at].upgrade == Upgrade::Asked(conn, Style::LateFive) {
                    self.oracle.sessions[at].lapse = u64::MAX;
                    self.oracle.sessions[at].left = true;
                    let late = self.config.upgrade_timeout.as_millis() as u64;
                    let wait = late - 60 + self.random.below(80);
                    self.after(wait, Task::Five(at, conn));
                }
                self.clients[at].upgrade = Upgrade::Pausing(conn);
                self.paused(at);
            }
            Upgrade::Asked(c, Style::CloseLate) if c == conn => {
                self.net.conns[conn].inbound.push_back(Inbound::End);
                self.soon(Task::Recv(conn));
                self.gives_up(at);
            }
            _ => {}
        }
    }

    /// A client that pauses says `5` once no request is in flight.
    pub(super) fn paused(&mut self, at: usize) {
        let client = &self.clients[at];
        if let Upgrade::Pausing(conn) = client.upgrade
            && !self.oracle.sessions[at].left
        {
            self.five(at, conn);
        }
    }

    pub(super) fn five(&mut self, at: usize, conn: usize) {
        let client = &mut self.clients[at];
        let ready = client.gets == 0 && !client.posting && !client.gone;
        if ready && client.upgrade == Upgrade::Pausing(conn) {
            client.upgrade = Upgrade::No;
            client.via = Via::Ws(conn);
            if self.net.conns[conn].id.is_none() {
                // It has left polling for a connection that the server had given up.
                self.oracle.sessions[at].lapse = u64::MAX;
            }
            self.probe_says(conn, "5");
            self.transmit(at);
        }
    }
}
