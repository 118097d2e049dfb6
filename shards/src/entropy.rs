//! Answers: where do unguessable bytes come from.
//!
//! The kernel, a page at a time: a system call per session would show at a hundred thousand
//! connects a second.

/// Random bytes of the operating system, bought in bulk.
#[derive(Debug)]
pub(crate) struct Entropy {
    pool: [u8; 1024],
    used: usize,
}

impl Default for Entropy {
    fn default() -> Self {
        Self {
            pool: [0; 1024],
            used: 1024,
        }
    }
}

impl Entropy {
    /// Fills `bytes`, at most 1,024 of them.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        if self.pool.len() - self.used < bytes.len() {
            getrandom::fill(&mut self.pool)
                .expect("the kernel has random bytes once it has booted");
            self.used = 0;
        }
        let taken = &mut self.pool[self.used..self.used + bytes.len()];
        bytes.copy_from_slice(taken);
        taken.fill(0); // a secret stands in one place only
        self.used += bytes.len();
    }

    /// A server's seed.
    pub(crate) fn seed() -> u64 {
        let mut bytes = [0; 8];
        Self::default().fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}
