//! Random numbers for masks and for times at which clients drop. Seeded, so
//! that a run can be repeated; not for secrets.

use std::time::Duration;

/// SplitMix64: eight bytes of state, one multiplication chain a number.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix(u64);

impl SplitMix {
    /// A sequence that depends on `seed` alone.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, uniform over all of `u64`.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next mask of a client frame.
    pub(crate) const fn mask(&mut self) -> [u8; 4] {
        (self.next() as u32).to_be_bytes()
    }

    /// A time between the two, uniform.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let share = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        least + most.saturating_sub(least).mul_f64(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        let mut rng = SplitMix::new(1_234_567);
        assert_eq!(rng.next(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn times_stay_between_their_bounds() {
        let mut rng = SplitMix::new(7);
        let (least, most) = (Duration::from_millis(10), Duration::from_millis(30));
        for _ in 0..1_000 {
            let time = rng.between(least, most);
            assert!(least <= time && time <= most);
        }
    }
}
