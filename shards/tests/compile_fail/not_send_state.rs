//! State for all shards that only one thread may have.

use std::rc::Rc;

use stentor::prelude::*;

fn main() {
    let _ = Server::new().state(Rc::new(1));
}
