//! Licence expressions as crates write them: SPDX's `OR`, `AND`, `WITH` and
//! parentheses, and the `/` that stood for `OR` before.

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Licence {
    /// A licence by its SPDX name, with ` WITH ` and the exception where there is one.
    One(String),
    Any(Vec<Licence>),
    All(Vec<Licence>),
}

impl Licence {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let spaced = text
            .replace('(', " ( ")
            .replace(')', " ) ")
            .replace('/', " OR ");
        let mut words = Words {
            words: spaced.split_whitespace().collect(),
            next: 0,
        };
        let licence = words.any()?;
        match words.peek() {
            None => Ok(licence),
            Some(extra) => Err(format!("unexpected {extra:?}")),
        }
    }

    /// Whether it can be met with these licences. Those that were relied on are
    /// handed over, every choice of an `OR` that is allowed included.
    pub(super) fn met_by<'a>(
        &'a self,
        allowed: &dyn Fn(&str) -> bool,
        used: &mut Vec<&'a str>,
    ) -> bool {
        match self {
            Licence::One(name) => {
                let met = allowed(name);
                if met {
                    used.push(name);
                }
                met
            }
            // Both go through all their parts, to see all that is used.
            Licence::Any(parts) => parts.iter().filter(|p| p.met_by(allowed, used)).count() > 0,
            Licence::All(parts) => {
                parts.iter().filter(|p| p.met_by(allowed, used)).count() == parts.len()
            }
        }
    }
}

struct Words<'a> {
    words: Vec<&'a str>,
    next: usize,
}

impl<'a> Words<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.next).copied()
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self.peek() == Some(word);
        self.next += usize::from(there);
        there
    }

    fn any(&mut self) -> Result<Licence, String> {
        let mut parts = vec![self.all()?];
        while self.take("OR") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 {
            parts.remove(0)
        } else {
            Licence::Any(parts)
        })
    }

    fn all(&mut self) -> Result<Licence, String> {
        let mut parts = vec![self.one()?];
        while self.take("AND") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 {
            parts.remove(0)
        } else {
            Licence::All(parts)
        })
    }

    fn one(&mut self) -> Result<Licence, String> {
        if self.take("(") {
            let inner = self.any()?;
            return if self.take(")") {
                Ok(inner)
            } else {
                Err("a ) is missing".to_owned())
            };
        }
        let name = self.name()?;
        if self.take("WITH") {
            return Ok(Licence::One(format!("{name} WITH {}", self.name()?)));
        }
        Ok(Licence::One(name.to_owned()))
    }

    fn name(&mut self) -> Result<&'a str, String> {
        match self.peek() {
            None => Err("it ends where a licence should stand".to_owned()),
            Some(word @ ("OR" | "AND" | "WITH" | "(" | ")")) => {
                Err(format!("{word:?} stands where a licence should"))
            }
            Some(word) => {
                self.next += 1;
                Ok(word)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(text: &str, allowed: &[&str]) -> bool {
        let licence = Licence::parse(text).expect(text);
        licence.met_by(&|name| allowed.contains(&name), &mut Vec::new())
    }

    #[test]
    fn one_allowed_choice_is_enough_for_or() {
        assert!(met("MIT OR Apache-2.0", &["Apache-2.0"]));
        assert!(met("MIT/Apache-2.0", &["Apache-2.0"]));
        assert!(met("MIT OR Apache-2.0 OR LGPL-2.1-or-later", &["MIT"]));
        assert!(!met("GPL-3.0-only OR LGPL-2.1-or-later", &["MIT"]));
    }

    #[test]
    fn and_needs_every_part_and_binds_closer_than_or() {
        assert!(!met("MIT AND BSD-3-Clause", &["MIT"]));
        assert!(met("MIT AND BSD-3-Clause", &["MIT", "BSD-3-Clause"]));
        assert!(met("MIT OR ISC AND Zlib", &["MIT"]));
        assert!(!met("(MIT OR ISC) AND Zlib", &["MIT"]));
        assert!(met(
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            &["MIT", "Unicode-3.0"]
        ));
    }

    #[test]
    fn an_exception_is_part_of_the_name() {
        let text = "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT";
        assert!(met(text, &["MIT"]));
        assert!(!met("Apache-2.0 WITH LLVM-exception", &["Apache-2.0"]));
        assert!(met(
            "Apache-2.0 WITH LLVM-exception",
            &["Apache-2.0 WITH LLVM-exception"]
        ));
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in [
            "",
            "MIT OR",
            "OR MIT",
            "(MIT",
            "MIT)",
            "MIT Apache-2.0",
            "MIT WITH",
        ] {
            assert!(Licence::parse(text).is_err(), "{text:?}");
        }
    }
}
