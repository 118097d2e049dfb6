//! Answers: do a hub's tables agree with each other? The simulator asks after each turn.

use super::Hub;

impl Hub {
    /// What is true of the tables whenever no call is under way.
    ///
    /// # Panics
    /// If it is not.
    pub(crate) fn check(&self) {
        self.sessions.check();
        self.sockets.check();
        self.rooms.check();
        let mut connected = 0;
        for (key, socket) in self.sockets.iter() {
            let session = self.sessions.entry_at(socket.session);
            let known = session.map(|entry| entry.client.socket(socket.namespace));
            assert_eq!(known, Some(Some(key.index())), "a socket's session has it");
            if socket.connected {
                let everyone = &self.namespaces[usize::from(socket.namespace.0)].everyone;
                let member = everyone[socket.place as usize];
                assert_eq!(
                    (member.socket, member.session),
                    (key.index(), socket.session)
                );
                connected += 1;
            }
        }
        let everyone = self.namespaces.iter().map(|ns| ns.everyone.len());
        assert_eq!(
            everyone.sum::<usize>(),
            connected,
            "each is in the list once"
        );
        let unfinished = self.sessions.rows();
        let unfinished = unfinished.map(|(_, entry)| entry.client.unfinished_bytes());
        assert_eq!(
            unfinished.sum::<usize>(),
            self.unfinished,
            "what is half received is counted"
        );
    }
}
