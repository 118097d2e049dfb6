//! What user code would write first: values by value, results that are not wrapped, texts as refusals.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use serde::{Deserialize, Serialize};
use serde_json::json;
use stentor::{EmitError, prelude::*};

use crate::{Client, start};

#[derive(Serialize, Deserialize, Clone)]
struct Point {
    x: i32,
}

fn values(s: &Socket) -> Result<(), EmitError> {
    s.emit("v", 5)?;
    s.emit("v", String::from("x"))?;
    s.emit("v", json!({ "a": [1] }))?;
    s.emit("v", vec![Point { x: 1 }])?;
    s.emit("v", Point { x: 2 })?;
    s.emit("v", &Point { x: 3 })?;
    s.emit("v", Some(4))?;
    s.emit("v", ("a", 1))?;
    s.emit("v", Args(("a", 1)))?;
    s.emit("v", "text")?;
    s.all().emit("v", Point { x: 6 })?;
    s.io().emit("v", [7, 8])?;
    s.emit_volatile("v", ())?; // dropped: it is no error, as something was sent before
    s.emit("v", ())
}

#[test]
fn values_are_emitted_by_value_and_by_reference() {
    let running = start(|app| {
        app.ns("/").on_sync("values", |s: Socket| values(&s));
    });
    let mut client = Client::join(running.address());
    client.emit(r#"["values"]"#);
    for expected in [
        json!(["v", 5]),
        json!(["v", "x"]),
        json!(["v", { "a": [1] }]),
        json!(["v", [{ "x": 1 }]]),
        json!(["v", { "x": 2 }]),
        json!(["v", { "x": 3 }]),
        json!(["v", 4]),
        json!(["v", ["a", 1]]),
        json!(["v", "a", 1]),
        json!(["v", "text"]),
        json!(["v", { "x": 6 }]),
        json!(["v", [7, 8]]),
        json!(["v"]),
    ] {
        assert_eq!(client.event(), expected);
    }
    drop(client);
    running.stop().unwrap();
}

/// Whom an event can be sent to, and how, makes no difference to what is wrong with it.
#[test]
fn emitting_says_what_is_wrong_in_one_way() {
    let running = start(|app| {
        app.ns("/").on_sync("wrong", |s: Socket, io: Io| {
            let sent = [
                s.emit("connect", ()),
                s.emit_volatile("connect", ()),
                s.all().emit("connect", ()),
                io.emit("connect", ()),
                s.emit("x", BTreeMap::from([((1, 2), 3)])),
                io.emit("x", BTreeMap::from([((1, 2), 3)])),
            ];
            sent.map(|sent| sent.unwrap_err().to_string())
        });
    });
    let mut client = Client::join(running.address());
    let reserved = r#""connect" is a reserved event name"#;
    let key = "cannot encode the event's arguments: key must be a string";
    let expected = json!([[reserved, reserved, reserved, reserved, key, key]]);
    assert_eq!(client.ask(r#"["wrong"]"#), expected);
    drop(client);
    running.stop().unwrap();
}

#[test]
fn results_need_no_wrapping() {
    let running = start(|app| {
        app.ns("/")
            .on_sync("list", || vec![Point { x: 1 }])
            .on_sync("array", || [1, 2])
            .on_sync("set", || BTreeSet::from(["b", "a"]))
            .on_sync("map", || BTreeMap::from([("a", Point { x: 1 })]))
            .on_sync("some", || Some(Point { x: 2 }))
            .on_sync("none", || None::<Point>)
            .on("ok", async || Ok::<_, String>(Point { x: 3 }))
            .on_sync("ok list", || Ok::<_, std::fmt::Error>(vec![Some(1), None]))
            .on_sync("ok nothing", || Ok::<(), String>(()))
            .on_sync("ok args", || Ok::<_, String>(Args((1, 2))))
            .on_sync("ok ack", || Ok::<_, String>(Ack(Point { x: 4 })))
            .on_sync("ok raw", |args: Raw| Ok::<_, String>(args.rest()))
            .on_sync("err", || Err::<Point, _>("no"))
            .on_sync("boxed", || {
                Err::<Point, Box<dyn std::error::Error>>("no".into())
            });
    });
    let mut client = Client::join(running.address());
    let error = json!([{ "error": { "message": "no" } }]);
    for (event, expected) in [
        ("list", json!([[{ "x": 1 }]])),
        ("array", json!([[1, 2]])),
        ("set", json!([["a", "b"]])),
        ("map", json!([{ "a": { "x": 1 } }])),
        ("some", json!([{ "x": 2 }])),
        ("none", json!([null])),
        ("ok", json!([{ "x": 3 }])),
        ("ok list", json!([[1, null]])),
        ("ok nothing", json!([])),
        ("ok args", json!([1, 2])),
        ("ok ack", json!([{ "x": 4 }])),
        ("ok raw", json!([8])),
        ("err", error.clone()),
        ("boxed", error),
    ] {
        assert_eq!(
            client.ask(&json!([event, 7, 8]).to_string()),
            expected,
            "{event}"
        );
    }
    drop(client);
    running.stop().unwrap();
}

#[test]
fn what_auth_keeps_is_a_parameter() {
    #[derive(Deserialize)]
    struct Login {
        #[serde(default)]
        name: String,
        #[serde(default)]
        n: u16,
    }
    struct User(String);
    struct Absent;
    let running = start(|app| {
        app.ns("/users")
            .auth(async |s: Socket, Auth(Login { name, .. }): Auth<Login>| {
                if name == "nobody" {
                    return Err("who are you?");
                }
                s.set(User(name));
                Ok(())
            })
            .on_sync("who", |user: Kept<User>| user.0.0.clone())
            .on_sync("same", |s: Socket, Kept(user): Kept<User>| {
                s.get::<User>().is_some_and(|kept| Rc::ptr_eq(&kept, &user))
            })
            .on_sync("maybe", |absent: Option<Kept<Absent>>| absent.is_some())
            .on_sync("absent", |_: Kept<Absent>| ());
        app.ns("/texts")
            .auth(async |Auth(Login { n, .. }): Auth<Login>| {
                if n > 7 {
                    Err(format!("{n} are too many"))
                } else {
                    Ok(())
                }
            });
    });
    let join = |namespace, auth| Client::join_as(running.address(), namespace, auth);
    let refused = join("/users", r#"{"name":"nobody"}"#).err().unwrap();
    assert_eq!(refused, json!({ "message": "who are you?" }));
    let refused = join("/texts", r#"{"n":8}"#).err().unwrap();
    assert_eq!(refused, json!({ "message": "8 are too many" }));
    let mut client = join("/users", r#"{"name":"ada"}"#).ok().unwrap();
    assert_eq!(client.ask(r#"["who"]"#), json!(["ada"]));
    assert_eq!(client.ask(r#"["same"]"#), json!([true]));
    assert_eq!(client.ask(r#"["maybe"]"#), json!([false]));
    let internal = json!([{ "error": { "message": "Internal server error" } }]);
    assert_eq!(client.ask(r#"["absent"]"#), internal);
    drop(client);
    running.stop().unwrap();
}

/// A tuple takes what it has room for, as a function in JavaScript does.
#[test]
fn surplus_arguments_are_passed_over() {
    let running = start(|app| {
        app.ns("/")
            .on_sync("two", |Args((a, b)): Args<(u8, String)>| format!("{a}{b}"))
            .on_sync("maybe", |Args((a, b)): Args<(u8, Option<u8>)>| {
                (a, b).1.unwrap_or(a)
            });
    });
    let mut client = Client::join(running.address());
    assert_eq!(client.ask(r#"["two",1,"b",{"c":3}]"#), json!(["1b"]));
    assert_eq!(client.ask(r#"["two",1,"b"]"#), json!(["1b"]));
    let error = "invalid arguments: invalid length 1, expected a tuple of size 2";
    let error = json!([{ "error": { "message": error } }]);
    assert_eq!(client.ask(r#"["two",1]"#), error);
    assert_eq!(client.ask(r#"["maybe",1]"#), json!([1]));
    assert_eq!(client.ask(r#"["maybe",1,2,3]"#), json!([2]));
    drop(client);
    running.stop().unwrap();
}
