//! Listening TCP ports, as the kernel lists them, with who listens where that may be read.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::{folder, read};

/// Processes whose open files are looked through.
const PROCESSES_MAX: usize = 4096;

/// A port somebody listens on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Port {
    pub(super) port: u16,
    pub(super) address: IpAddr,
    /// The program; none where it belongs to somebody else.
    pub(super) program: Option<String>,
}

impl Port {
    pub(super) fn from(&self) -> String {
        let who = match &self.program {
            Some(program) => format!("`{program}`"),
            None => "Somebody (run as root to see who)".to_owned(),
        };
        let Self { address, port, .. } = self;
        let whole = match address {
            IpAddr::V4(address) => format!("{address}:{port}"),
            IpAddr::V6(address) => format!("[{address}]:{port}"),
        };
        format!("{who} listens on {whole}. For HTTP write kind = \"http\" and a url.")
    }

    /// Where it is reached from this host.
    pub(super) fn reached_at(&self) -> String {
        let address = match self.address {
            IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            address => address,
        };
        std::net::SocketAddr::new(address, self.port).to_string()
    }
}

/// Whether its being there says anything about a service: not what every host has.
pub(super) fn is_worth_a_check(port: &Port) -> bool {
    !matches!(port.port, 22 | 53 | 111 | 631 | 5355) && port.program.as_deref() != Some("evenkeel")
}

/// Every listening TCP port once, lowest first.
pub(super) fn listening(root: &Path) -> Vec<Port> {
    let proc = root.join("proc");
    let mut found: BTreeMap<u16, (IpAddr, u64)> = BTreeMap::new();
    for table in ["net/tcp", "net/tcp6"] {
        let text = read(&proc.join(table)).unwrap_or_default();
        for (address, port, inode) in text.lines().filter_map(entry) {
            let known = found.entry(port).or_insert((address, inode));
            // The widest address says most about who can reach it.
            if address.is_unspecified() && !known.0.is_unspecified() {
                *known = (address, inode);
            }
        }
    }
    let programs = programs(&proc);
    found
        .into_iter()
        .map(|(port, (address, inode))| Port {
            port,
            address,
            program: programs.get(&inode).cloned(),
        })
        .collect()
}

/// Address, port and inode of a line of `/proc/net/tcp` that listens.
fn entry(line: &str) -> Option<(IpAddr, u16, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, local, _, state, _, _, _, _, _, inode, ..] = fields[..] else {
        return None;
    };
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    // Four bytes at a time, each group in this machine's order.
    let mut bytes = Vec::new();
    for group in address.as_bytes().chunks(8) {
        let group = u32::from_str_radix(std::str::from_utf8(group).ok()?, 16).ok()?;
        bytes.extend(group.to_ne_bytes());
    }
    let address = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => IpAddr::V4(Ipv4Addr::from(four)),
        Err(_) => {
            let sixteen = <[u8; 16]>::try_from(bytes.as_slice()).ok()?;
            IpAddr::V6(Ipv6Addr::from(sixteen)).to_canonical()
        }
    };
    (state == "0A").then_some((address, port, inode.parse().ok()?))
}

/// Programs by the inodes of their sockets, as far as they may be looked at.
fn programs(proc: &Path) -> BTreeMap<u64, String> {
    let mut programs = BTreeMap::new();
    let processes = folder(proc).into_iter().filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.bytes().all(|byte| byte.is_ascii_digit())
    });
    for process in processes.take(PROCESSES_MAX) {
        let Ok(name) = read(&process.join("comm")) else {
            continue;
        };
        for file in folder(&process.join("fd")) {
            let Ok(target) = std::fs::read_link(&file) else {
                continue;
            };
            let target = target.to_string_lossy();
            let inode = target
                .strip_prefix("socket:[")
                .and_then(|rest| rest.strip_suffix(']'));
            if let Some(inode) = inode.and_then(|inode| inode.parse().ok()) {
                let name: String = name
                    .trim()
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(32)
                    .collect();
                programs.entry(inode).or_insert(name);
            }
        }
    }
    programs
}
