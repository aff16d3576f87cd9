//! The two numbers that carry the whole design: `seq` orders the messages of a
//! room, `rev` orders its durable changes. Both run 1, 2, 3 … without a hole.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

/// The largest number that a JSON client reads back unchanged (2^53 - 1).
pub const MAX_JSON_INTEGER: u64 = (1 << 53) - 1;

macro_rules! position {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let number = u64::deserialize(deserializer)?;
                if number > MAX_JSON_INTEGER {
                    return Err(de::Error::custom("must be below 2^53"));
                }
                Ok(Self(number))
            }
        }

        impl $name {
            /// The position before the first.
            pub const ZERO: Self = Self(0);
            /// The first.
            pub const FIRST: Self = Self(1);

            /// Wraps a number.
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The number itself.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The one after this.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }

            /// The one before this; zero stays zero.
            #[must_use]
            pub const fn previous(self) -> Self {
                Self(self.0.saturating_sub(1))
            }

            /// The position `count` further on.
            #[must_use]
            pub const fn plus(self, count: u64) -> Self {
                Self(self.0.saturating_add(count))
            }

            /// How many lie in `(earlier, self]`.
            pub const fn since(self, earlier: Self) -> u64 {
                self.0.saturating_sub(earlier.0)
            }

            /// Whether this is the one directly after `earlier`.
            pub const fn follows(self, earlier: Self) -> bool {
                self.0 == earlier.0.saturating_add(1)
            }

            /// Whether this is the position before the first.
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

position! {
    /// The place of a message in its room; as a pointer, "up to here".
    /// [`Seq::ZERO`] stands before the first message.
    Seq
}
position! {
    /// The place of a durable change in its stream (a room's, or a user's).
    /// [`Rev::ZERO`] stands before the first change.
    Rev
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_dense() {
        assert!(Seq::FIRST.follows(Seq::ZERO));
        assert!(!Seq::new(3).follows(Seq::FIRST));
        assert_eq!(Rev::new(7).since(Rev::new(4)), 3);
        assert_eq!(Rev::new(4).since(Rev::new(7)), 0);
        assert_eq!(Seq::ZERO.previous(), Seq::ZERO);
    }
}
