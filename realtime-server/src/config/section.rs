//! How a section is declared: once, with its keys, defaults, bounds and docs.
//!
//! One list gives the struct, its `Default`, the reading with its checks, and
//! the sample file, so that none of them can disagree.

/// A key as the sample file shows it.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) doc: &'static [&'static str],
    pub(super) default: String,
    pub(super) bounds: Option<String>,
}

/// Declares a section: `key: Type = default;`, with bounds
/// `key: Type = default, in least..=most, "reason";`. Fields under `besides` are
/// no keys; they start empty.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $Section:ident in $name:literal {
            $(
                $(#[doc = $doc:literal])*
                $key:ident: $type:ty = $default:expr
                    $(, in $least:literal $($least_unit:ident)? ..= $most:literal $($most_unit:ident)?, $reason:literal)?;
            )*
        }
        $(besides { $( $(#[doc = $extra_doc:literal])* $extra:ident: $extra_type:ty; )* })?
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $Section {
            $(
                $(#[doc = $doc])*
                pub $key: $type,
            )*
            $($(
                $(#[doc = $extra_doc])*
                pub $extra: $extra_type,
            )*)?
        }

        impl Default for $Section {
            fn default() -> Self {
                Self {
                    $($key: $default,)*
                    $($($extra: <$extra_type>::default(),)*)?
                }
            }
        }

        impl $Section {
            pub(in crate::config) const NAME: &'static str = $name;
            pub(in crate::config) const ABOUT: &'static [&'static str] = &[$($about),*];

            /// The keys with their docs, for the sample file.
            pub(in crate::config) fn keys() -> Vec<$crate::config::section::Key> {
                let default = Self::default();
                vec![$({
                    let bounds: Option<$crate::config::setting::Bounds<$type>> =
                        section!(@bounds $($least $($least_unit)?, $most $($most_unit)?, $reason)?);
                    $crate::config::section::Key {
                        name: stringify!($key),
                        doc: &[$($doc),*],
                        default: $crate::config::setting::Setting::to_toml(&default.$key),
                        bounds: bounds.map(|bounds| bounds.to_string()),
                    }
                }),*]
            }

            /// Takes the keys of this section out of the layers.
            pub(in crate::config) fn read(reader: &mut $crate::config::reader::Reader) -> Self {
                let default = Self::default();
                Self {
                    $($key: reader.take(
                        $name,
                        stringify!($key),
                        default.$key,
                        section!(@bounds $($least $($least_unit)?, $most $($most_unit)?, $reason)?)
                            .as_ref(),
                    ),)*
                    $($($extra: default.$extra,)*)?
                }
            }
        }
    };
    (@bounds) => { None };
    (@bounds $least:literal $($least_unit:ident)?, $most:literal $($most_unit:ident)?, $reason:literal) => {
        Some($crate::config::setting::Bounds {
            least: section!(@value $least $($least_unit)?),
            most: section!(@value $most $($most_unit)?),
            reason: $reason,
        })
    };
    (@value $number:literal) => { $number };
    (@value $number:literal ms) => { std::time::Duration::from_millis($number) };
    (@value $number:literal s) => { std::time::Duration::from_secs($number) };
    (@value $number:literal h) => { std::time::Duration::from_secs($number * 3_600) };
}
pub(super) use section;
