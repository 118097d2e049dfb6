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
    assert_eq!(code, Some(1), "{said}");
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
    for (options, named) in [
        ("--ping-timeout 0", "ping_timeout: "),
        ("--ping-interval 0", "ping_interval: "),
        (
            "--ping-interval 2147483648",
            "ping_interval and ping_timeout: ",
        ),
        ("--connect-timeout 0", "connect_timeout: "),
        ("--upgrade-timeout 0", "upgrade_timeout: "),
        ("--max-http-buffer-size 0", "max_payload: "),
        ("--http-idle-wait 0", "http_waits.idle: "),
        ("--shards 65", "65 shards: "),
        ("--host 256.1.1.1", "cannot listen on 256.1.1.1:0: "),
    ] {
        let said = start(command("", options)).unwrap_err();
        assert!(said.contains(named), "{options}: {said}");
    }
}
