//! Answers: how does a Unix socket's file come, who may use it, and how does it go?

use std::{
    fs, io,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
            net::UnixListener,
        },
    },
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, Socket, Type};

/// The file of a listening socket, which is removed when this is dropped, unless another has its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode: what another server makes at this path is another file.
    id: (u64, u64),
    /// As long as the file is open its inode is nobody else's, whoever removes it.
    _held: Option<fs::File>,
}

/// The file at a path, held and not opened, where the system has that.
#[cfg(target_os = "linux")]
fn hold(path: &Path) -> Option<fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut options = fs::OpenOptions::new();
    let options = options
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_NOFOLLOW);
    options.open(path).ok()
}

#[cfg(not(target_os = "linux"))]
fn hold(_: &Path) -> Option<fs::File> {
    None
}

impl SocketFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if id(&self.path).is_ok_and(|id| id == self.id) {
            let _ = fs::remove_file(&self.path); // a file that stays is replaced by the next server
        }
    }
}

fn id(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// A listening socket, non-blocking, whose file is new.
///
/// # Errors
/// The system's; `AddrInUse` if somebody listens there; `AlreadyExists` if there is a file that is no socket.
pub(super) fn listener(
    path: &Path,
    mode: Option<u32>,
    backlog: i32,
) -> io::Result<(UnixListener, SocketFile)> {
    // The process may go to another directory before the file is removed.
    let path = std::path::absolute(path)?;
    let address = SockAddr::unix(&path)?;
    make_way(&path, &address)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address)?;
    let file = SocketFile {
        _held: hold(&path),
        id: id(&path)?,
        path,
    };
    if let Some(mode) = mode {
        // Before it listens: nobody connects by permissions that were not meant.
        fs::set_permissions(&file.path, fs::Permissions::from_mode(mode))?;
    }
    socket.listen(backlog)?;
    Ok((OwnedFd::from(socket).into(), file))
}

/// Removes a socket on which nobody listens any more.
fn make_way(path: &Path, address: &SockAddr) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(metadata) => metadata.file_type(),
    };
    if !kind.is_socket() {
        let why = "there is a file that is no socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    }
    let caller = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    caller.set_nonblocking(true)?; // nor wait for a server that is busy
    match caller.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        Ok(()) | Err(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// A connection in the type that shards have for all.
pub(super) fn as_stream(stream: mio::net::UnixStream) -> mio::net::TcpStream {
    let stream = std::os::unix::net::UnixStream::from(stream);
    mio::net::TcpStream::from_std(OwnedFd::from(stream).into())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        os::unix::net::UnixStream,
    };

    use super::*;
    use crate::address::Peer;

    /// A place for a socket that nobody else has, and what removes it.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("stentor-{}-{name}", std::process::id()));
            let _ = fs::remove_file(&path);
            Self(path)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_socket_comes_and_goes_with_its_listener() {
        let place = Place::new("comes");
        let (listening, file) = listener(&place.0, Some(0o600), 16).unwrap();
        let mode = fs::metadata(&place.0).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut client = UnixStream::connect(&place.0).unwrap();
        client.write_all(b"hello").unwrap();
        let listening = mio::net::UnixListener::from_std(listening);
        let stream = as_stream(listening.accept().unwrap().0);
        assert_eq!(Peer::of(&stream).unwrap(), Peer::Unix);
        let mut stream = std::net::TcpStream::from(stream);
        let mut bytes = [0; 5];
        stream.set_nonblocking(false).unwrap();
        stream.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"hello");
        let busy = listener(&place.0, None, 16).unwrap_err();
        assert_eq!(busy.kind(), io::ErrorKind::AddrInUse);
        drop(file);
        assert!(!place.0.exists());
    }

    #[test]
    fn what_a_dead_server_left_is_replaced_and_nothing_else() {
        let place = Place::new("stale");
        let (dead, left) = listener(&place.0, None, 16).unwrap();
        drop(dead);
        let (_listening, own) = listener(&place.0, None, 16).unwrap();
        drop(left);
        assert!(place.0.exists(), "that is the other's");
        UnixStream::connect(&place.0).unwrap();
        drop(own);
        fs::write(&place.0, "precious").unwrap();
        let refused = listener(&place.0, None, 16).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&place.0).unwrap(), b"precious");
        let nowhere = listener(Path::new("/nowhere/at/all"), None, 16).unwrap_err();
        assert_eq!(nowhere.kind(), io::ErrorKind::NotFound);
        let long = listener(Path::new(&"x".repeat(200)), None, 16).unwrap_err();
        assert_eq!(long.kind(), io::ErrorKind::InvalidInput);
    }
}
