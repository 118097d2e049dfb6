use stentor::{FdTables, Server};

fn main() {
    Server::new().fd_tables(FdTables::per_shard()).run().unwrap();
}
