//! What a run leaves behind: exit code, files, comparisons, and the line about limits.

use super::server::{Fault, Server};
use super::{fresh_path, program, run, run_and_hear, run_well};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Output;

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(out).into_owned() + &String::from_utf8_lossy(err)
}

fn take(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::remove_file(path).unwrap();
    text
}

#[test]
fn thresholds_decide_the_exit_code() {
    let server = Server::start(Fault::None, 1);
    let good = ["echo", "-t", "lost == 0", "-t", "p99 < 1min"];
    assert_eq!(run(&server, &good).0, 0);
    for bad in ["p99 < 1ns", "clients > 1000000"] {
        let (code, result) = run(&server, &["echo", "-t", "lost == 0", "-t", bad]);
        let held = result["thresholds"].as_array().unwrap().iter();
        let held: Vec<_> = held.map(|t| t["ok"].as_bool().unwrap()).collect();
        assert_eq!((code, held.as_slice()), (1, &[true, false][..]), "{bad}");
        let reasons = result["reasons"].to_string();
        assert!(reasons.contains(bad), "{reasons}");
        let has_unit = ["ms", "µs", " s"].iter().any(|unit| reasons.contains(unit));
        assert!(has_unit || bad.contains("clients"), "{reasons}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_before_the_run() {
    // Nobody listens there: a run would end with 1.
    let nowhere = ["--url", "http://127.0.0.1:9"];
    for (arguments, why) in [
        (&["echo", "-t", "p99 ~ 5"][..], "relation"),
        (&["echo", "-t", "p99 < 5"], "needs a unit"),
        (&["echo", "-t", "p9 < 5ms"], "did you mean p90?"),
        (&["echo", "-t", "room.p99 < 5ms"], "the load room"),
        (&["echo", "-t", "server.rss < 1GB"], "--pid"),
        (&["echo", "--rate", "0"], "above 0"),
        (&["storm", "--drop", "2"], "between 0 and 1"),
        (&["idle", "--window", "3"], "sends nothing"),
        (&["echo", "--secs", "ten"], "no number"),
    ] {
        let output = program().args(arguments).args(nowhere).output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(why), "{arguments:?}: {text}");
    }
    let path = fresh_path("toml");
    std::fs::write(
        &path,
        "seed = 1\n[[phase]]\nclients = 5\nsecs = \"10 parsecs\"\n",
    )
    .unwrap();
    let output = program()
        .arg("run")
        .arg(&path)
        .args(nowhere)
        .output()
        .unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("line 4, column 8: unknown unit"), "{text}");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_file_runs_with_its_phases_variables_and_thresholds() {
    let server = Server::start(Fault::None, 1);
    let path = fresh_path("toml");
    let text = r#"
        name = "of ${clients}"
        room-size = 4
        threshold = ["room.p99 < ${limit}", "lost == 0"]
        [vars]
        clients = 8
        limit = "1min"
        [[phase]]
        kind = "ramp"
        secs = 0.3
        clients = "${clients}"
        [[phase]]
        name = "talk"
        secs = "500ms"
        load = [{ kind = "room", rate = 40 }, { kind = "ack", rate = 100 }]
        [[phase]]
        kind = "spike"
        secs = 0.5
        clients = 20
        [[phase]]
        kind = "step"
        clients = 12
    "#;
    std::fs::write(&path, text).unwrap();
    let (json, url) = (fresh_path("json"), format!("127.0.0.1:{}", server.port));
    let run_file = |vars: &[&str]| {
        let mut command = program();
        command.arg("run").arg(&path).args(["-q", "--url", &url]);
        command.arg("--json").arg(&json).args(vars);
        let code = command.output().unwrap().status.code();
        let result: Value = serde_json::from_str(&take(&json)).unwrap();
        (code, result)
    };
    let (code, result) = run_file(&["--var", "clients=10"]);
    assert_eq!((code, &result["ok"]), (Some(0), &true.into()), "{result:#}");
    assert_eq!(result["scenario"]["name"], "of 10");
    assert_eq!(result["clients_ready"], 20, "the spike's");
    let names = result["phases"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ramp", "talk", "spike", "step"]);
    let sent = |place: usize| result["phases"][1]["loads"][place]["sent"].as_u64();
    assert_eq!((sent(0), sent(1)), (Some(50), Some(20)), "acks, then rooms");
    let (code, result) = run_file(&["--var", "limit=1ns"]);
    assert_eq!(
        (code, &result["thresholds"][0]["ok"]),
        (Some(1), &false.into())
    );
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn files_are_written_and_a_result_can_be_shown_again() {
    let server = Server::start(Fault::None, 1);
    let [json, csv, html, hlog] = ["json", "csv", "html", "hlog"].map(fresh_path);
    let url = format!("http://127.0.0.1:{}", server.port);
    let mut command = program();
    command.args(["echo", "-q", "--secs", "2", "--url", &url]);
    command.arg("--json").arg(&json).arg("--csv").arg(&csv);
    command.arg("--html").arg(&html).arg("--hlog").arg(&hlog);
    command.args(["--pid", &std::process::id().to_string()]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let csv = take(&csv);
    assert!(
        csv.starts_with("at,phase,") && csv.lines().count() >= 3,
        "{csv}"
    );
    assert!(take(&hlog).contains("Tag=planned,"));
    let page = take(&html);
    assert!(page.contains("Latency by percentile") && page.contains("</html>"));
    let again = fresh_path("html");
    let mut command = program();
    command.arg("report").arg(&json).arg("--html").arg(&again);
    let output = command.output().unwrap();
    assert!(said(&output).contains("verdict    OK"), "{output:?}");
    assert_eq!(take(&again), page);
    std::fs::remove_file(&json).unwrap();
}

#[test]
fn two_results_are_compared() {
    let server = Server::start(Fault::None, 1);
    let paths = [fresh_path("json"), fresh_path("json")];
    for (path, rate) in paths.iter().zip(["200", "600"]) {
        let flags = ["echo", "--secs", "6", "--rate", rate];
        let mut result = run_well(&server, &flags);
        // On a busy machine it may have been; what is compared here is told apart all the same.
        result["generator"]["bottleneck"] = false.into();
        std::fs::write(path, result.to_string()).unwrap();
    }
    let compare = |a: usize, b: usize| {
        let mut command = program();
        command.arg("compare").arg(&paths[a]).arg(&paths[b]);
        said(&command.output().unwrap())
    };
    let same = compare(0, 0);
    let rates = |text: &str| {
        let row = text.lines().find(|l| l.starts_with("received per second"));
        row.unwrap().to_owned()
    };
    assert!(rates(&same).contains("no difference"), "{same}");
    let other = compare(0, 1);
    assert!(rates(&other).contains("undecided"), "{other}");
    let why = "phases.2.loads.1.rate is 200.0 in A and 600.0 in B";
    assert!(other.contains(why), "{other}");
    for path in paths {
        std::fs::remove_file(path).unwrap();
    }
}

/// Started by the test below as a process of its own; PORT says where.
#[test]
#[ignore = "a server for the test of versus"]
fn serves_until_killed() {
    let port = std::env::var("PORT").unwrap().parse().unwrap();
    let _server = Server::on(port);
    loop {
        std::thread::park();
    }
}

#[test]
fn two_servers_are_held_against_each_other() {
    let me = std::env::current_exe().unwrap();
    let serve = format!(
        "{} --ignored --exact outputs::serves_until_killed",
        me.display()
    );
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = unused.local_addr().unwrap().port().to_string();
    drop(unused);
    let json = fresh_path("json");
    let mut command = program();
    command.args(["versus", "--a", &serve, "--b", &serve, "--rounds", "2"]);
    command.args(["--port", &port]).arg("--json").arg(&json);
    command.args(["--", "echo", "--secs", "1", "--warmup", "0"]);
    let output = command.output().unwrap();
    let text = said(&output);
    assert_eq!(
        output.status.code(),
        Some(4),
        "two rounds decide nothing: {text}"
    );
    let results: Value = serde_json::from_str(&take(&json)).unwrap();
    for side in 0..2 {
        assert_eq!(results[side].as_array().unwrap().len(), 2, "rounds");
    }
    // Two rounds prove nothing, whatever they show; a round on a busy machine may not count.
    assert!(!text.contains("B is "), "{text}");
    assert!(
        text.contains("round 2 ") && text.contains("undecided:"),
        "{text}"
    );
    assert!(!text.contains("no difference"), "{text}");
    assert!(
        text.contains("latency p99"),
        "what there is, is shown: {text}"
    );
}

#[test]
fn a_limit_in_the_way_is_named_in_one_line() {
    let limited = |files: &str, flags: &str| {
        let program = env!("CARGO_BIN_EXE_stentor-loadgen");
        let line = format!("ulimit -n {files}; exec {program} echo -q {flags}");
        let mut command = std::process::Command::new("sh");
        let output = command.args(["-c", &line]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        text
    };
    assert!(limited("64", "-c 100").contains("raise with: ulimit -n"));
    let ports = limited("1024", "-c 100 --source 127.3.0.0/30 --per-source 10");
    assert!(ports.contains("--source"), "{ports}");
}

#[test]
fn many_clients_get_descriptor_tables_of_their_own() {
    let server = Server::start(Fault::None, 1);
    let program = env!("CARGO_BIN_EXE_stentor-loadgen");
    let json = fresh_path("json");
    let url = format!("http://127.0.0.1:{}", server.port);
    let line = format!(
        "ulimit -n 300; exec {program} echo -q -c 400 --secs 1 --warmup 0 --url {url} --json {}",
        json.display()
    );
    let mut command = std::process::Command::new("sh");
    let output = command.args(["-c", &line]).output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("threads with a descriptor table each"),
        "{text}"
    );
    let result: Value = serde_json::from_str(&take(&json)).unwrap();
    assert_eq!(result["clients_ready"], 400);
    assert!(result["generator"]["threads"].as_u64() >= Some(3));
}

/// A page of metrics, answered once for each request, without a length, as old servers do.
fn metrics_page() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            let page = "HTTP/1.0 200 OK\r\n\r\n# TYPE process_resident_memory_bytes gauge\n\
                        process_resident_memory_bytes 12345678\n\
                        process_cpu_seconds_total{x=\"y\"} 2.5\nprocess_open_fds 42\n";
            let _ = stream.write_all(page.as_bytes());
        }
    });
    format!("http://{address}/metrics")
}

#[test]
fn a_page_of_metrics_is_scraped() {
    let server = Server::start(Fault::None, 1);
    let page = metrics_page();
    let (code, result) = run(&server, &["echo", "--secs", "2", "--scrape", &page]);
    assert_eq!(code, 0, "{result:#}");
    assert_eq!(result["server"]["rss_max"], 12_345_678);
    let sample = &result["seconds"][0]["server"];
    assert_eq!(sample["descriptors"], 42, "{sample}");
    assert_eq!(sample["cpu"], 2.5, "{sample}");
}

#[test]
fn a_page_that_is_not_there_is_said_at_once() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let page = format!("http://{}/metrics", unused.local_addr().unwrap());
    drop(unused);
    let output = program().args(["echo", "--scrape", &page]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(said(&output).contains(&page), "{output:?}");
}

#[test]
fn the_summary_has_the_uncorrected_figure_beside_the_latency() {
    let server = Server::start(Fault::None, 1);
    let (output, _) = run_and_hear(&server, &["broadcast", "-c", "10"]);
    let text = said(&output);
    for line in [
        "latency ",
        "uncorrected ",
        "send lag ",
        "1st receiver ",
        "last recv ",
    ] {
        let found = text.lines().any(|l| l.trim_start().starts_with(line));
        assert!(found, "{line}: {text}");
    }
}
