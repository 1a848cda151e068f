//! What fills up, in words and in the units people say.

use evenkeel_core::observation::Resource;

/// The name of a resource.
pub fn name(resource: &Resource) -> String {
    match resource {
        Resource::Memory => "memory".into(),
        Resource::Heap => "heap".into(),
        Resource::OpenFiles => "open files".into(),
        Resource::Threads => "threads".into(),
        Resource::Connections => "connections".into(),
        Resource::DiskBytes => "disk".into(),
        Resource::Inodes => "files on disk".into(),
        Resource::DatabaseConnections => "database connections".into(),
        Resource::Sequence(name) => format!("sequence {name}"),
        Resource::TransactionAge => "transaction age".into(),
    }
}

/// Whether it is counted in bytes.
pub fn is_bytes(resource: &Resource) -> bool {
    matches!(
        resource,
        Resource::Memory | Resource::Heap | Resource::DiskBytes
    )
}

/// So much of a resource: `312 MiB`, `1,024`.
pub fn shown(resource: &Resource, amount: u64) -> String {
    if is_bytes(resource) {
        bytes(amount)
    } else {
        grouped(amount)
    }
}

/// `312 MiB`, `1.4 GiB`.
pub fn bytes(amount: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let mut value = amount as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 10.0);
    format!("{value:.digits$} {}", UNITS[unit])
}

fn grouped(amount: u64) -> String {
    let digits = amount.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_in_the_unit_people_say() {
        for (amount, said) in [
            (512 << 20, "512 MiB"),
            (1_503_238_553, "1.4 GiB"),
            (17, "17 B"),
        ] {
            assert_eq!(shown(&Resource::Memory, amount), said);
        }
        for (amount, said) in [
            (12, "12"),
            (1024, "1,024"),
            (2_100_000_000, "2,100,000,000"),
        ] {
            assert_eq!(shown(&Resource::OpenFiles, amount), said);
        }
    }
}
