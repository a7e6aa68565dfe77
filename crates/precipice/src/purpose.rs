//! What random numbers are for: the high half of the address of every one that is drawn.

/// What a random number is for. Values are part of the bits. All purposes are here, because two with one value would draw
/// the same numbers wherever their seeds are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The world's label vectors.
    LabelTable = 1,
    /// First weights of a network.
    Init = 2,
    /// The world's pool of functions.
    TaskPool = 3,
    /// The world's classes.
    ClassMeans = 4,
    /// The numbers of a sequence's items. This and the next ones have a value for each set of sequences.
    Items = 8,
    /// Everything discrete: which labels, which slot, which position.
    Structure = 16,
    /// Classes drawn afresh.
    NovelMeans = 24,
    /// The function of a context.
    Weights = 32,
    /// Noise on what the context shows.
    Noise = 40,
    /// Noise of the theory's descent.
    DescentNoise = 48,
    /// Samples of the bootstrap.
    Bootstrap = 64,
}

impl Purpose {
    /// Values that belong to a purpose of sequences: one for training, one for each evaluation set.
    pub const SETS: u8 = 8;

    /// All of them.
    pub const ALL: [Purpose; 11] = [
        Purpose::LabelTable,
        Purpose::Init,
        Purpose::TaskPool,
        Purpose::ClassMeans,
        Purpose::Items,
        Purpose::Structure,
        Purpose::NovelMeans,
        Purpose::Weights,
        Purpose::Noise,
        Purpose::DescentNoise,
        Purpose::Bootstrap,
    ];

    /// Values that it takes.
    pub fn values(self) -> std::ops::Range<u8> {
        let n = if matches!(self, Self::Items | Self::Structure | Self::NovelMeans | Self::Weights | Self::Noise) {
            Self::SETS
        } else {
            1
        };
        self as u8..self as u8 + n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_purposes_share_a_value() {
        let mut owners = [None; 256];
        for purpose in Purpose::ALL {
            for value in purpose.values() {
                assert_eq!(owners[usize::from(value)].replace(purpose), None, "{purpose:?} at {value}");
            }
        }
    }
}
