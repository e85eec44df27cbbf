//! A schedule as bytes: read by the machine targets, written by the corpus.

/// Reads a schedule. When it ends, numbers are zero and blocks empty.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    /// All of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether there is no more.
    pub fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    /// A number below `count`, of one byte.
    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A length of two bytes, big-endian, and as many bytes, or those that are left.
    pub fn block(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()) << 8 | usize::from(self.byte());
        let (block, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        block
    }
}

/// Appends what [`Script::block`] reads; what is beyond 65,535 bytes is left out.
pub fn put_block(out: &mut Vec<u8>, block: &[u8]) {
    let len = u16::try_from(block.len()).unwrap_or(u16::MAX);
    out.extend(len.to_be_bytes());
    out.extend(&block[..usize::from(len)]);
}
