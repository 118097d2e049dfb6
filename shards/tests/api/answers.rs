//! Questions to one client and to many: who answered, did not in time, or left.

use std::time::Duration;

use axum::{Router, extract, routing};
use serde_json::{Value as Json, json};
use stentor::{Gathered, prelude::*};

use crate::{Client, SHARD_COUNTS, channel, client, crowd, server, start};

/// Long enough that who answers at once is in time on any machine; nothing is measured by it.
const WAIT: Duration = Duration::from_secs(3);

fn told(all: &Gathered<u32>) -> Json {
    let ids = |ids: &[SocketId]| {
        let mut ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        ids.sort();
        ids
    };
    let ok: Vec<_> = all.ok.iter().map(|(id, _)| *id).collect();
    let failed: Vec<_> = all.failed.iter().map(|(id, _)| *id).collect();
    json!({
        "ok": ids(&ok),
        "sum": all.ok.iter().map(|(_, n)| n).sum::<u32>(),
        "timedOut": ids(&all.timed_out),
        "left": ids(&all.left),
        "failed": ids(&failed),
    })
}

fn app(app: &mut App) {
    app.ns("/")
        .on_sync("join", |s: Socket, Data(room): Data<String>| s.join(room))
        .on("survey", async |s: Socket| {
            told(
                &s.to("asked")
                    .timeout(WAIT)
                    .call("question", "n?")
                    .all()
                    .await,
            )
        });
}

/// Puts every client but the first into the room and plays their parts. What must be told of them.
fn play(clients: Vec<Client>, ask: impl FnOnce()) -> (Json, Vec<Client>) {
    let (mut ok, mut timed_out, mut left, mut failed) = (vec![], vec![], vec![], vec![]);
    let (mut sum, mut kept) = (0, Vec::new());
    ask();
    for (n, mut client) in clients.into_iter().enumerate() {
        let (id, question) = client.question();
        assert_eq!(question, json!(["question", "n?"]));
        let name = client.id.clone();
        match n % 5 {
            0 => {
                client.answer(id, &format!("[{n},\"more\"]"));
                client.answer(id, "[1000]"); // the first answer counts
                sum += n;
                ok.push(name);
            }
            1 => timed_out.push(name),
            2 => {
                client.leave();
                left.push(name);
            }
            3 => {
                client.answer(id, r#"["not a number"]"#);
                failed.push(name);
            }
            _ => {
                client.vanish();
                left.push(name);
                continue;
            }
        }
        kept.push(client);
    }
    for list in [&mut ok, &mut timed_out, &mut left, &mut failed] {
        list.sort();
    }
    let told = json!({
        "ok": ok, "sum": sum, "timedOut": timed_out, "left": left, "failed": failed
    });
    (told, kept)
}

#[test]
fn a_handler_learns_who_answered_timed_out_or_left() {
    for shards in SHARD_COUNTS {
        let running = server(shards).app(app).start().unwrap();
        let mut clients = crowd(&running);
        for client in &mut clients {
            assert_eq!(client.ask(r#"["join","asked"]"#), json!([]));
        }
        let mut asker = clients.remove(0); // in the room, but `to` means the others
        let (expected, kept) = play(clients, || asker.send(r#"427["survey"]"#));
        let answer = asker.text().unwrap();
        let answer: Json = serde_json::from_str(answer.strip_prefix("437").unwrap()).unwrap();
        assert_eq!(answer, json!([expected]), "{shards} shards");
        drop((asker, kept));
        running.stop().unwrap();
    }
}

#[test]
fn a_thread_learns_who_answered_timed_out_or_left() {
    for shards in SHARD_COUNTS {
        let running = server(shards).app(app).start().unwrap();
        let mut clients = crowd(&running);
        for client in &mut clients {
            assert_eq!(client.ask(r#"["join","asked"]"#), json!([]));
        }
        let io = running.io().clone();
        let mut asking = None;
        let (expected, kept) = play(clients, || {
            asking = Some(std::thread::spawn(move || {
                let answers = io.to("asked").timeout(WAIT).call("question", "n?");
                crate::block_on(answers.all())
            }));
        });
        let all: Gathered<u32> = asking.unwrap().join().unwrap();
        assert_eq!(told(&all), expected, "{shards} shards");
        drop(kept);
        running.stop().unwrap();
    }
}

#[test]
fn asking_nobody_is_answered_by_nobody() {
    for shards in SHARD_COUNTS {
        let running = server(shards).app(app).start().unwrap();
        let all = crate::block_on(running.io().to("empty").call::<u32>("q", ()).all());
        assert!(all.ok.is_empty() && all.timed_out.is_empty() && all.left.is_empty());
        let mut client = Client::join(running.address());
        let nobody = json!([{ "ok": [], "sum": 0, "timedOut": [], "left": [], "failed": [] }]);
        assert_eq!(client.ask(r#"["survey"]"#), nobody);
        let io = running.io().clone();
        drop(client);
        running.stop().unwrap();
        let mut answers = io.to("empty").call::<u32>("q", ());
        assert!(crate::block_on(answers.next()).is_none());
        assert!(matches!(answers.error(), Some(AckError::NotSent)));
    }
}

#[test]
fn a_question_to_one_client_is_always_settled() {
    let (tell, told) = channel();
    let running = start(move |app| {
        let tell = tell.clone();
        app.ns("/")
            .on("go", async move |s: Socket, Data(wait): Data<u64>| {
                let wait = Duration::from_millis(wait);
                let answer = s.call_timeout::<u32>(wait, "question", ()).await;
                tell.send(match answer {
                    Ok(n) => n.to_string(),
                    Err(error) => error.to_string(),
                })
                .unwrap();
                NoAck
            });
    });
    let mut client = Client::join(running.address());
    client.emit(r#"["go",60000]"#);
    let (id, _) = client.question();
    client.answer(id, "[5]");
    assert_eq!(told.recv().unwrap(), "5");
    client.emit(r#"["go",1]"#);
    let _ = client.question();
    assert_eq!(told.recv().unwrap(), "operation has timed out");
    client.emit(r#"["go",60000]"#);
    let (id, _) = client.question();
    client.answer(id, r#"["x"]"#);
    let error = told.recv().unwrap();
    assert!(error.starts_with("cannot decode the answer:"), "{error}");
    client.emit(r#"["go",60000]"#);
    let _ = client.question();
    client.leave();
    assert_eq!(told.recv().unwrap(), "socket has been disconnected");
    drop(client);
    running.stop().unwrap();
}

/// On a runtime that moves its tasks between threads, and from a handler of axum, whose futures must
/// be `Send`.
#[test]
fn answers_can_be_awaited_on_any_thread() {
    async fn survey(extract::State(io): extract::State<Io>) -> String {
        let answers = io.to("asked").timeout(WAIT).call::<u32>("question", "n?");
        told(&answers.all().await).to_string()
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    for shards in SHARD_COUNTS {
        let mut server = server(shards).app(app);
        let router = Router::new()
            .route("/survey", routing::get(survey))
            .with_state(server.io());
        let running = server.http(router).start().unwrap();
        let address = running.address();
        let mut clients = crowd(&running);
        for client in &mut clients {
            assert_eq!(client.ask(r#"["join","asked"]"#), json!([]));
        }
        let io = running.io().clone();
        let one: SocketId = clients[1].id.parse().unwrap();
        let asked = runtime.spawn(async move {
            let answers = io.to(one).timeout(WAIT).call::<u32>("question", "you?");
            tokio::task::yield_now().await;
            answers.first().await
        });
        let (id, question) = clients[1].question();
        assert_eq!(question, json!(["question", "you?"]));
        clients[1].answer(id, "[5]");
        assert_eq!(runtime.block_on(asked).unwrap().unwrap(), 5);

        let mut asking = None;
        let (expected, kept) = play(clients, || {
            asking = Some(std::thread::spawn(move || {
                client::http(address, "GET /survey", "")
            }));
        });
        let (status, body) = asking.unwrap().join().unwrap();
        assert_eq!(status, 200);
        let body: Json = serde_json::from_str(&body).unwrap();
        assert_eq!(body, expected, "{shards} shards");
        drop(kept);
        running.stop().unwrap();
    }
}

#[test]
fn a_question_has_no_reserved_name() {
    let running = start(|app| {
        app.ns("/").on("ask", async |s: Socket| {
            let one = s.call::<()>("disconnect", ()).await.unwrap_err();
            let many = s.all().call::<()>("connect", ()).all().await.error;
            format!("{one}; {}", many.unwrap())
        });
    });
    let mut client = Client::join(running.address());
    let said = r#""disconnect" is a reserved event name; "connect" is a reserved event name"#;
    assert_eq!(client.ask(r#"["ask"]"#), json!([said]));
    let names = [
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
    ];
    for name in names {
        let answers = running.io().all().call::<()>(name, ());
        let error = crate::block_on(answers.first()).unwrap_err();
        assert!(
            matches!(&error, AckError::Reserved(reserved) if reserved == name),
            "{error}"
        );
    }
    drop(client); // it was sent nothing that it could not read
    running.stop().unwrap();
}

#[test]
fn a_server_that_does_not_run_asks_nobody() {
    let mut unstarted = server(1);
    let all = crate::block_on(unstarted.io().all().call::<()>("q", ()).all());
    assert!(matches!(all.error, Some(AckError::NotSent)), "{all:?}");
}

/// One argument, all of them, or as they came: of one client and of many.
#[test]
fn an_answer_is_taken_as_what_is_asked_for() {
    async fn asks(s: Socket) -> Result<Ack<Json>, AckError> {
        let first: u8 = s.call("q", ()).await?;
        let Args((one, two)): Args<(u8, String)> = s.call("q", ()).await?;
        let Args(all): Args<Vec<Json>> = s.call("q", ()).await?;
        let Args((_, binary)): Args<(u8, Binary)> = s.call("binary", ()).await?;
        let raw: Raw = s.call("q", ()).await?;
        let many = s.all().call::<Args<(u8, String)>>("q", ()).first().await?.0;
        let short = s.call::<Args<(u8, String)>>("short", ()).await;
        let AckError::Decode(short) = short.unwrap_err() else {
            panic!("one argument is not two")
        };
        Ok(Ack(json!([
            first,
            one,
            two,
            all,
            binary.0.len(),
            raw.json(),
            many,
            short.to_string()
        ])))
    }
    let running = start(|app| {
        app.ns("/").on("ask", asks);
    });
    let mut client = Client::join(running.address());
    client.send(r#"427["ask"]"#);
    for _ in 0..7 {
        let (id, question) = client.question();
        match question[0].as_str().unwrap() {
            "binary" => {
                client.send(&format!(r#"461-{id}[1,{{"_placeholder":true,"num":0}}]"#));
                client.bytes(b"xyz");
            }
            "short" => client.answer(id, "[1]"),
            _ => client.answer(id, r#"[1,"two"]"#),
        }
    }
    let short = "invalid length 1, expected a tuple of size 2 at line 1 column 3";
    let expected = json!([1, 1, "two", [1, "two"], 3, r#"1,"two""#, [1, "two"], short]);
    assert_eq!(client.text().unwrap(), format!("437[{expected}]"));
    drop(client);
    running.stop().unwrap();
}

/// Without a limit it is the answer that ends the wait, or the client's end.
#[test]
fn a_question_may_wait_without_limit() {
    let (told, hear) = channel();
    let running = start(move |app| {
        let told = told.clone();
        app.ns("/").on("ask", async move |s: Socket| {
            let answer = s.call_timeout::<u8>(Duration::MAX, "q", ()).await;
            let _ = told.send(answer.map_err(|error| error.to_string()));
            let many = s.all().timeout(Duration::MAX).call::<u8>("q", ());
            let _ = told.send(many.first().await.map_err(|error| error.to_string()));
            NoAck
        });
    });
    let mut client = Client::join(running.address());
    client.emit(r#"["ask"]"#);
    for n in [1, 2] {
        let (id, _) = client.question();
        client.answer(id, &format!("[{n}]"));
        assert_eq!(hear.recv_timeout(client::PATIENCE).unwrap(), Ok(n));
    }
    for left in 1..=2 {
        client.emit(r#"["ask"]"#);
        if left == 2 {
            let (id, _) = client.question();
            client.answer(id, "[3]");
            assert_eq!(hear.recv_timeout(client::PATIENCE).unwrap(), Ok(3));
        }
        client.question();
        client.vanish();
        let gone = Err(AckError::Disconnected.to_string());
        assert_eq!(hear.recv_timeout(client::PATIENCE).unwrap(), gone);
        if left == 1 {
            hear.recv_timeout(client::PATIENCE).unwrap().unwrap_err(); // to nobody
        }
        client = Client::join(running.address());
    }
    drop(client);
    running.stop().unwrap();
}
