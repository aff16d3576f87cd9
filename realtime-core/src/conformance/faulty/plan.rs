//! Which faults happen how often, and how often they did.

use std::time::Duration;

/// Declares each fault in one place: what it is, its chance in the plan and its
/// count in what was injected.
macro_rules! faults {
    ($( $(#[doc = $doc:literal])+ $fault:ident $field:ident; )*) => {
        /// How likely each fault is: 0 never, 1 always. All zero by default.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(
            clippy::exhaustive_structs,
            reason = "built with `..FaultPlan::default()` by tests"
        )]
        pub struct FaultPlan {
            $( $(#[doc = $doc])+ pub $field: f64, )*
            /// The longest delay. Default 500 ms: beyond any reorder window.
            pub longest_delay: Duration,
            /// The longest that publishing hangs. Default 2 s.
            pub longest_hang: Duration,
            /// Hints in the longest run that is lost by a lag. Default 20.
            pub longest_lag: u32,
        }

        /// How often each fault was done.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Injected {
            $( $(#[doc = $doc])+ pub $field: u64, )*
            /// Hints and calls that were lost to [`cut`](super::FaultyBroker::cut).
            pub cut: u64,
        }

        #[derive(Debug, Clone, Copy)]
        pub(super) enum Fault {
            $( $fault, )*
        }

        impl Default for FaultPlan {
            fn default() -> Self {
                Self::everything(0.0)
            }
        }

        impl FaultPlan {
            /// Every fault with the same chance.
            pub const fn everything(chance: f64) -> Self {
                Self {
                    $( $field: chance, )*
                    longest_delay: LONGEST_DELAY,
                    longest_hang: LONGEST_HANG,
                    longest_lag: LONGEST_LAG,
                }
            }

            /// Whether no fault will happen.
            pub const fn is_calm(&self) -> bool {
                let stormy = $( self.$field > 0.0 || )* false;
                !stormy
            }

            pub(super) const fn chance(&self, fault: Fault) -> f64 {
                match fault {
                    $( Fault::$fault => self.$field, )*
                }
            }
        }

        impl Injected {
            /// All faults together.
            pub const fn total(&self) -> u64 {
                self.cut $( + self.$field )*
            }

            /// The faults of a plan that did not happen once: a test that counts
            /// on them has shown nothing.
            pub fn missing(&self, plan: &FaultPlan) -> Vec<&'static str> {
                let mut missing = Vec::new();
                $(
                    if plan.$field > 0.0 && self.$field == 0 {
                        missing.push(stringify!($field));
                    }
                )*
                missing
            }

            pub(super) const fn count(&mut self, fault: Fault) {
                match fault {
                    $( Fault::$fault => self.$field += 1, )*
                }
            }
        }
    };
}

const LONGEST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_HANG: Duration = Duration::from_secs(2);
const LONGEST_LAG: u32 = 20;

faults! {
    /// A hint is lost in silence.
    Drop drop;
    /// A hint comes again, a little later.
    Double double;
    /// A hint comes late.
    Delay delay;
    /// A hint comes after the next one.
    Reorder reorder;
    /// A hint of long ago comes again.
    Replay replay;
    /// A run of hints is lost, and then a gap is told.
    Lag lag;
    /// A run of hints is lost in silence.
    SilentLag silent_lag;
    /// A gap is told where none is.
    FalseGap false_gap;
    /// `Degraded` is told, and `Up` soon after.
    Flap flap;
    /// A head is told that is far too high, or too low.
    FalseHead false_head;
    /// A change comes with a `rev` that never was.
    FalseRev false_rev;
    /// A change of a room comes with a false `after`: none before `rev`, or one so
    /// early that it denies what lies between.
    FalseAfter false_after;
    /// A hint comes of a topic that was not subscribed.
    Foreign foreign;
    /// A signal comes of somebody who is not in the room.
    Stranger stranger;
    /// The node hears its own hint.
    Echo echo;
    /// Publishing fails; the hints were told, or not.
    FailPublish fail_publish;
    /// Publishing takes long.
    HangPublish hang_publish;
    /// Subscribing fails and is made up for later; unsubscribing fails for good.
    FailSubscribe fail_subscribe;
}
