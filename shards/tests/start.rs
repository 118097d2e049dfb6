//! A start that fails says why.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

/// The command, after some words of the shell's.
fn command(shell: &str, options: &str) -> Command {
    let binary = env!("CARGO_BIN_EXE_stentor");
    let mut command = Command::new("sh");
    let line = format!("{shell} exec {binary} bench-server --port 0 {options}");
    command.args(["-c", &line]);
    command
}

/// Starts the command; what it says on stdout if it starts, else on stderr.
fn start(mut command: Command) -> Result<String, String> {
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let started = !line.is_empty();
    if started {
        child.kill().unwrap();
    }
    let code = child.wait().unwrap().code();
    if started {
        return Ok(line);
    }
    let mut said = String::new();
    child.stderr.unwrap().read_to_string(&mut said).unwrap();
    let expected = if said.contains("stentor: --") { 2 } else { 1 };
    assert_eq!(code, Some(expected), "{said}");
    Err(said)
}

/// However far a start comes with so few descriptors, what it says in the end is what it lacked.
#[test]
fn too_few_descriptors_are_named() {
    let mut failed = 0;
    for tables in ["shared", "per-shard"] {
        for descriptors in (9..40).step_by(3) {
            let shell = format!("ulimit -n {descriptors} &&");
            let options = format!("--shards 2 --fd-tables {tables}");
            if let Err(said) = start(command(&shell, &options)) {
                let last = said.lines().last().unwrap_or_default();
                assert!(
                    last.starts_with("stentor: ") && last.contains("os error 24"),
                    "with {descriptors}: {said}"
                );
                failed += 1;
            }
        }
    }
    assert!(failed >= 6, "{failed}");
}

/// As many containers do: `unshare` fails in the command and its children.
#[expect(unsafe_code, reason = "only system calls can forbid others")]
fn forbid_unshare(command: &mut Command) {
    const WORD_AT: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let forbidden = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
    let mut filter = [
        step(WORD_AT, 0, 0, 0), // the call's number
        step(JUMP_IF, 0, 1, u32::try_from(libc::SYS_unshare).unwrap()),
        step(RETURN, 0, 0, forbidden),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let install = move || {
        let program = libc::sock_fprog {
            len: 4,
            filter: filter.as_mut_ptr(),
        };
        // SAFETY: a number is set, for the calling process.
        let set = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        let mode = libc::SECCOMP_MODE_FILTER;
        // SAFETY: the kernel reads the program, which lives, and its four steps.
        let filtered = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) };
        if set == 0 && filtered == 0 {
            Ok(())
        } else {
            Err(std::io::Error::last_os_error())
        }
    };
    // SAFETY: between fork and exec it makes two system calls and allocates nothing.
    unsafe { command.pre_exec(install) };
}

#[test]
fn a_table_that_may_not_part_is_named() {
    let mut forbidden = command("", "--shards 2 --fd-tables per-shard");
    forbid_unshare(&mut forbidden);
    let said = start(forbidden).unwrap_err();
    assert!(
        said.contains("cannot start a shard: the descriptor table of shard")
            && said.contains("Operation not permitted"),
        "{said}"
    );
    // By itself one shard does without.
    let mut alone = command("", "--shards 1");
    forbid_unshare(&mut alone);
    start(alone).unwrap();
}

#[test]
fn options_that_cannot_work_are_named() {
    let timers = "cannot work: it must be 1 to 2147483647 ms";
    let shortest = "cannot work: it must be at least 1 ms";
    let one = "0 cannot work: it must be at least 1,";
    for (option, value, named) in [
        ("--ping-timeout", "0", format!("0 ms {timers}")),
        (
            "--ping-timeout",
            "2147483648",
            format!("2147483648 ms {timers}"),
        ),
        ("--ping-interval", "0", format!("0 ms {timers}")),
        ("--ping-interval", "0.5ms", format!("0.500 ms {timers}")),
        ("--ping-interval", "25d", format!("2160000000 ms {timers}")),
        ("--connect-timeout", "0s", format!("0 ms {shortest}")),
        ("--upgrade-timeout", "0", format!("0 ms {shortest}")),
        ("--http-idle-wait", "0", format!("0 ms {shortest}")),
        ("--http-head-wait", "0", format!("0 ms {shortest}")),
        ("--http-piece-wait", "0", format!("0 ms {shortest}")),
        ("--http-body-wait", "0", format!("0 ms {shortest}")),
        (
            "--max-http-buffer-size",
            "1B",
            "1 cannot work: it must be at least 2,".to_owned(),
        ),
        (
            "--held-bytes",
            "1KiB",
            "1024 cannot work: it must be at least 65536,".to_owned(),
        ),
        ("--unjoined-sessions", "0", one.to_owned()),
        ("--unjoined-per-address", "0", one.to_owned()),
        ("--unjoined-per-connection", "0", one.to_owned()),
        ("--waiting-handlers", "0", one.to_owned()),
        (
            "--shards",
            "65",
            "65 shards: there must be 1 to 64".to_owned(),
        ),
        (
            "--shards",
            "0",
            "0 shards: there must be 1 to 64".to_owned(),
        ),
    ] {
        let said = start(command("", &format!("{option} {value}"))).unwrap_err();
        let expected = format!("stentor: {option}: {named}");
        assert!(said.starts_with(&expected), "{option} {value}: {said}");
    }
    let both = start(command("", "--ping-interval 14d --ping-timeout 14d")).unwrap_err();
    let together =
        "stentor: --ping-interval and --ping-timeout: 1209600000 ms and 1209600000 ms cannot work";
    assert!(both.starts_with(together), "{both}");
    let host = start(command("", "--host 256.1.1.1")).unwrap_err();
    assert!(host.contains("cannot listen on 256.1.1.1:0: "), "{host}");
}

/// What a terminal shows of `--help`.
fn help(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stentor"));
    let output = command.args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_begins_with_what_is_run_first() {
    let said = help(&[]);
    let at = |text: &str| {
        said.find(text)
            .unwrap_or_else(|| panic!("no {text}: {said}"))
    };
    let order = [
        "demo ",
        "bench-server ",
        "contract-server ",
        "engine-server ",
    ]
    .map(|name| at(&format!("\n  {name}")));
    assert!(order.is_sorted(), "{said}");
    assert!(at("\n  demo ") < at("Test server: "), "{said}");
    assert_eq!(said.matches("Test server: ").count(), 3, "{said}");
}

#[test]
fn each_option_says_unit_and_default() {
    let said = help(&["bench-server"]);
    for (option, default, unit) in [
        ("--ping-interval <TIME>", "25s", "in ms or with a unit"),
        ("--http-body-wait <TIME>", "30s", "in ms or with a unit"),
        ("--outbox-bytes <SIZE>", "1MiB", "in bytes or with a unit"),
    ] {
        let (_, rest) = said.split_once(option).unwrap();
        let about = rest.split("      --").next().unwrap();
        assert!(about.contains(unit), "{about}");
        assert!(about.contains(&format!("[default: {default}]")), "{about}");
    }
    let times = said.find("TIME is a number with ms, s, m, h or d");
    assert!(times.is_some(), "{said}");
}
