//! What a case works with: clients on one transport.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use rust_socketio::TransportType;
use rust_socketio::asynchronous::ClientBuilder;
use serde_json::Value;

use crate::client::Client;
use crate::server_process::ServerProcess;

#[derive(Clone)]
pub struct Bench {
    pub transport_name: &'static str,
    pub transport: TransportType,
    pub url: String,
    pub server_command: Arc<[String]>,
}

impl Bench {
    /// A name that no other case uses: the server is shared, also with other processes.
    pub fn unique(&self, prefix: &str) -> String {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        format!(
            "{prefix}-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        )
    }

    /// A client that has not yet been waited for.
    pub async fn open(&self, url: &str, namespace: &str, auth: Option<Value>) -> Result<Client> {
        let mut builder = ClientBuilder::new(url)
            .namespace(namespace)
            .transport_type(self.transport.clone())
            .reconnect_delay(50, 200);
        if let Some(auth) = auth {
            builder = builder.auth(auth);
        }
        Client::open(builder).await
    }

    pub async fn connect_to(
        &self,
        url: &str,
        namespace: &str,
        auth: Option<Value>,
    ) -> Result<Client> {
        let client = self.open(url, namespace, auth).await?;
        client.next("connect").await?;
        Ok(client)
    }

    /// A connected client of the main namespace.
    pub async fn connect(&self) -> Result<Client> {
        self.connect_to(&self.url, "/", None).await
    }

    pub async fn connect_many(&self, count: usize) -> Result<Vec<Client>> {
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(self.connect().await?);
        }
        Ok(clients)
    }

    pub async fn start_server(&self) -> Result<ServerProcess> {
        ServerProcess::start(&self.server_command).await
    }
}
