//! The IDX format of MNIST (LeCun, Cortes and Burges): a big-endian header of sizes, then bytes.

/// Why a file is not what it should be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("not an IDX file of unsigned bytes with {wanted} axes: {problem}")]
pub struct Error {
    wanted: usize,
    problem: String,
}

/// An array of bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Idx {
    /// Size of each axis.
    pub shape: Vec<usize>,
    /// The elements, row major.
    pub bytes: Vec<u8>,
}

impl Idx {
    /// Reads an array of `axes` axes.
    pub fn parse(file: &[u8], axes: usize) -> Result<Idx, Error> {
        let fail = |problem: String| Error { wanted: axes, problem };
        let head = 4 + 4 * axes;
        if file.len() < head {
            return Err(fail(format!("it has only {} bytes", file.len())));
        }
        if file[..3] != [0, 0, 8] || usize::from(file[3]) != axes {
            return Err(fail(format!("it starts with {:02x?}", &file[..4])));
        }
        let size = |word: &[u8]| word.iter().fold(0usize, |n, &b| n << 8 | usize::from(b));
        let shape: Vec<usize> = file[4..head].chunks(4).map(size).collect();
        let expected = shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
        if expected != Some(file.len() - head) {
            return Err(fail(format!("its sizes {shape:?} do not match its {} bytes of data", file.len() - head)));
        }
        Ok(Idx { shape, bytes: file[head..].to_vec() })
    }

    /// Element `i` along the first axis.
    pub fn item(&self, i: usize) -> &[u8] {
        let size: usize = self.shape[1..].iter().product();
        &self.bytes[i * size..][..size]
    }

    /// Number of elements along the first axis.
    pub fn len(&self) -> usize {
        self.shape[0]
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.shape[0] == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_images_and_refuses_what_is_none() {
        let file = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6];
        let idx = Idx::parse(&file, 3).unwrap();
        assert_eq!((idx.shape.as_slice(), idx.item(1)), ([2, 1, 3].as_slice(), [4, 5, 6].as_slice()));
        for bad in [&file[..3], &file[..21], &[1; 30][..]] {
            assert!(Idx::parse(bad, 3).is_err());
        }
        assert!(Idx::parse(&file, 1).is_err());
        let huge = [0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255];
        assert!(Idx::parse(&huge, 3).is_err());
    }
}
