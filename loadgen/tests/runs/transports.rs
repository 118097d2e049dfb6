//! The ways a client travels: WebSocket, long-polling, the change from one to the other; and what
//! it says on arrival: namespace, auth, source address, heartbeats.

use super::server::{Fault, Server, Upgrades};
use super::{fault, run, run_well};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

fn count(cell: &AtomicU64) -> u64 {
    cell.load(Relaxed)
}

const LOADS: [&[&str]; 4] = [
    &["echo", "--rate", "300"],
    &["ack", "--rate", "300"],
    &["broadcast", "--rate", "20"],
    &["rooms", "--rate", "50"],
];

#[test]
fn polling_carries_everything() {
    let server = Server::start(Fault::None, 1);
    for load in LOADS {
        for more in [&[][..], &["--binary", "--threads", "2"]] {
            let way = ["-c", "20", "--websocket", "0", "--polling", "1"];
            run_well(&server, &[load, &way, more].concat());
        }
    }
    assert_eq!(count(&server.seen.pollings), 20 * 8);
    assert_eq!(count(&server.seen.websockets), 0);
    assert_eq!(count(&server.seen.upgrades), 0);
}

#[test]
fn upgraded_clients_carry_everything() {
    let server = Server::start(Fault::None, 1);
    for load in LOADS {
        for more in [&[][..], &["--binary", "--threads", "2"]] {
            let way = ["-c", "20", "--websocket", "0", "--upgrading", "1"];
            let result = run_well(&server, &[load, &way, more].concat());
            let timed = &result["phases"][0]["upgrade"]["count"];
            assert_eq!(timed.as_u64(), Some(20), "each upgrade is timed");
        }
    }
    assert_eq!(count(&server.seen.pollings), 20 * 8);
    assert_eq!(count(&server.seen.upgrades), 20 * 8);
    assert_eq!(count(&server.seen.websockets), 0);
}

#[test]
fn the_ready_made_scenarios_use_their_transport() {
    let server = Server::start(Fault::None, 1);
    run_well(&server, &["polling", "-c", "5"]);
    let polled = count(&server.seen.pollings);
    assert_eq!((polled, count(&server.seen.upgrades)), (5, 0));
    run_well(&server, &["upgrade", "-c", "5"]);
    let polled = count(&server.seen.pollings);
    assert_eq!((polled, count(&server.seen.upgrades)), (10, 5));
}

#[test]
fn a_population_keeps_its_shares() {
    let server = Server::start(Fault::None, 1);
    let shares = ["--websocket", "2", "--polling", "1", "--upgrading", "1"];
    run_well(&server, &[&["echo", "-c", "80"][..], &shares].concat());
    let upgraded = count(&server.seen.upgrades);
    let polling = count(&server.seen.pollings) - upgraded;
    let websocket = count(&server.seen.websockets);
    assert_eq!(websocket + polling + upgraded, 80);
    // Drawn, but evenly: one more or less.
    let near = |found: u64, due: u64| found.abs_diff(due) <= 1;
    assert!(near(websocket, 40) && near(polling, 20) && near(upgraded, 20));
}

#[test]
fn storms_and_churn_of_every_transport_are_no_fault() {
    let server = Server::start(Fault::None, 1);
    let mixed = ["-c", "40", "--polling", "1", "--upgrading", "1"];
    for come_and_go in [["churn", "--churn", "1200"], ["storm", "--drop", "0.5"]] {
        let (code, result) = run(&server, &[&come_and_go[..], &mixed].concat());
        assert_eq!(code, 0, "{come_and_go:?}: {result:#}");
    }
}

#[test]
fn an_upgrade_that_fails_is_named() {
    for (upgrades, reason) in [
        (Upgrades::Refused, "offers no upgrade"),
        (Upgrades::Ignored, "no answer in time while upgrading"),
    ] {
        let server = Server::taking(upgrades, Fault::None, 1);
        let (code, result) = run(&server, &["upgrade", "-c", "3", "--connect-timeout", "1"]);
        let disconnects = result["faults"]["disconnects"].to_string();
        assert_eq!(code, 1, "{upgrades:?}");
        assert!(disconnects.contains(reason), "{disconnects}");
    }
}

#[test]
fn namespaces_and_auth_are_sent() {
    let server = Server::start(Fault::None, 1);
    let spaces = ["--namespace", "/a", "--namespace", "/b"];
    let auth = ["--auth", r#"{"token":7}"#, "-c", "10"];
    for load in LOADS {
        run_well(&server, &[load, &spaces, &auth].concat());
    }
    let joins = server.joins.lock().unwrap();
    let of = |space: &str| joins.iter().filter(|j| j.starts_with(space)).count();
    assert_eq!((of("/a,"), of("/b,")), (20, 20));
    assert!(joins.iter().all(|j| j.ends_with(r#",{"token":7}"#)));
}

#[test]
fn clients_are_spread_over_source_addresses() {
    let server = Server::start(Fault::None, 1);
    let flags = ["echo", "-c", "20", "--per-source", "5"];
    run_well(
        &server,
        &[&flags[..], &["--source", "127.9.8.0/24"]].concat(),
    );
    let sources: BTreeSet<_> = server.sources.lock().unwrap().clone();
    let due = (1..=4).map(|last| std::net::Ipv4Addr::new(127, 9, 8, last).into());
    assert_eq!(sources, due.collect());
}

#[test]
fn heartbeats_are_answered() {
    let server = Server::start(Fault::None, 1);
    let mixed = ["-c", "9", "--polling", "1", "--upgrading", "1"];
    let (code, result) = run(&server, &[&["idle"][..], &mixed].concat());
    assert_eq!((code, fault(&result, "lost")), (0, 0), "{result:#}");
    let counted = result["phases"].as_array().unwrap().iter();
    let counted: u64 = counted.map(|p| p["pings"].as_u64().unwrap()).sum();
    let answered = count(&server.seen.pongs);
    assert_eq!((answered, counted), (9, 9), "one each, on joining");
}
