//! A contract server that a case owns, and so may kill and start again on the same port.

use std::process::Stdio;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

pub struct ServerProcess {
    command: Vec<String>,
    port: u16,
    child: Child,
}

impl ServerProcess {
    pub async fn start(command: &[String]) -> Result<Self> {
        let (child, port) = spawn(command, 0).await?;
        Ok(Self {
            command: command.to_vec(),
            port,
            child,
        })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    pub async fn start_again(&mut self) -> Result<()> {
        (self.child, self.port) = spawn(&self.command, self.port).await?;
        Ok(())
    }
}

async fn spawn(command: &[String], port: u16) -> Result<(Child, u16)> {
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .args(["--port", &port.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut line = String::new();
    let stdout = child.stdout.take().context("stdout was asked for")?;
    BufReader::new(stdout).read_line(&mut line).await?;
    let port = line
        .trim_end()
        .strip_prefix("listening on http://127.0.0.1:")
        .with_context(|| format!("the server did not say that it listens, but {line:?}"))?
        .parse()?;
    Ok((child, port))
}
