//! An argument of a type that cannot be decoded.

use stentor::prelude::*;

struct Login {
    name: String,
}

fn login(Data(login): Data<Login>) -> String {
    login.name
}

async fn login_later(s: Socket, Args((login, _)): Args<(Login, u32)>) {
    let _ = s.emit("name", login.name);
}

fn main() {
    let _ = Server::new().app(|app| {
        app.ns("/").on_sync("login", login).on("login later", login_later);
    });
}
