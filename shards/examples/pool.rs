//! A pool of connections that belongs to the program's runtime, used by handlers on all shards.
//!
//! Run it with `cargo run -p stentor --example pool`. `visit` takes a page and is answered with how often it
//! has been visited, which a database counts: a small one in this program stands for it.
//!
//! A connection belongs to the runtime on which it was opened: that runtime learns from the system when there
//! is something to read. Each shard has a runtime of its own. A pool opens connections when it needs them, on
//! whatever thread it is asked on; used in a handler as it is, it would open them on the shards, and one
//! shard would wait for another one. So what uses the pool is a task of the program's runtime (`Handle::spawn`), and the
//! handler awaits that. What goes to the task is `Send`; the socket stays in the handler.

use std::{
    collections::HashMap,
    error::Error,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use stentor::prelude::*;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::Semaphore,
};

/// As sqlx's or a Redis client's: cheap to clone, opens connections when there are too few.
#[derive(Clone)]
struct Pool {
    address: SocketAddr,
    idle: Arc<Mutex<Vec<BufStream<TcpStream>>>>,
    free: Arc<Semaphore>,
}

impl Pool {
    fn new(address: SocketAddr, connections: usize) -> Self {
        Self {
            address,
            idle: Arc::default(),
            free: Arc::new(Semaphore::new(connections)),
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<BufStream<TcpStream>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more for a key.
    async fn count(&self, key: &str) -> io::Result<u64> {
        let _one = self.free.acquire().await.map_err(io::Error::other)?;
        let idle = self.idle().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => BufStream::new(TcpStream::connect(self.address).await?),
        };
        let line = format!("{}\n", key.escape_default());
        connection.write_all(line.as_bytes()).await?;
        connection.flush().await?;
        let mut count = String::new();
        connection.read_line(&mut count).await?;
        let count = count.trim().parse().map_err(io::Error::other)?;
        self.idle().push(connection);
        Ok(count)
    }
}

/// The pool, and the runtime that its connections belong to.
#[derive(Clone)]
struct Database {
    pool: Pool,
    runtime: Handle,
}

impl Database {
    async fn count(&self, key: String) -> io::Result<u64> {
        let pool = self.pool.clone();
        let work = async move { pool.count(&key).await };
        self.runtime.spawn(work).await.map_err(io::Error::other)?
    }
}

async fn visit(
    s: Socket,
    State(database): State<Database>,
    Data(page): Data<String>,
) -> Result<u64, Box<dyn Error>> {
    let visits = database.count(page.clone()).await?;
    s.broadcast().emit("visited", Args((page, visits)))?;
    Ok(visits)
}

/// Answers each line with how often it has come.
async fn serve_database(listener: TcpListener) -> io::Result<()> {
    let counts = Arc::<Mutex<HashMap<String, u64>>>::default();
    loop {
        let (stream, _) = listener.accept().await?;
        let counts = Arc::clone(&counts);
        tokio::spawn(async move {
            let mut stream = BufStream::new(stream);
            let mut key = String::new();
            while stream.read_line(&mut key).await? > 0 {
                let answer = {
                    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                    let count = counts.entry(std::mem::take(&mut key)).or_default();
                    *count += 1;
                    format!("{count}\n")
                };
                stream.write_all(answer.as_bytes()).await?;
                stream.flush().await?;
            }
            io::Result::Ok(())
        });
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let database = Database {
        pool: Pool::new(listener.local_addr()?, 4),
        runtime: Handle::current(),
    };
    tokio::spawn(serve_database(listener));

    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".to_owned());
    let server = Server::new()
        .listen(format!("127.0.0.1:{port}"))
        .state(database)
        .app(|app| {
            app.ns("/").on("visit", visit);
        });
    let running = server.start()?;
    println!("listening on http://{}", running.address());
    running.serve().await?; // `server.serve().await` does both, but prints nothing
    Ok(())
}
