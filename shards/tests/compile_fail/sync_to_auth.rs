//! A function that is not async given to `auth`.

use stentor::prelude::*;

fn login(Auth(name): Auth<String>) -> Result<(), Refused> {
    if name.is_empty() {
        return Err(Refused::new("who are you?"));
    }
    Ok(())
}

fn main() {
    let _ = Server::new().app(|app| {
        app.ns("/").auth(login);
    });
}
