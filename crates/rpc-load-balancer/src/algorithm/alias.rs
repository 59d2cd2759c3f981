//! Drawing one of many by weight, at the cost of one random number.

use super::Rng;

/// An alias table: "A Linear Algorithm for Generating Random Numbers with a Given Distribution"
/// (Vose, 1991).
///
/// Each member has one cell, and all cells are as likely. What a light member leaves of its cell
/// goes to a heavy one.
#[derive(Debug)]
pub(crate) struct AliasTable(Box<[Cell]>);

#[derive(Clone, Copy, Debug)]
struct Cell {
    /// The part of the cell that is its member's own, as a fraction of 2⁶⁴.
    own: u64,
    /// Whose the rest is.
    other: u32,
}

impl AliasTable {
    /// The table for these weights; `None` when all are equal, so that none is needed.
    pub(crate) fn new(weights: &[u32]) -> Option<Self> {
        let (first, others) = weights.split_first()?;
        if others.iter().all(|weight| weight == first) {
            return None;
        }
        // In units in which a whole cell is the sum of the weights, so that nothing is rounded
        // before the fractions are.
        let whole: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
        let members = weights.len() as u128;
        let mut parts: Vec<u128> = weights
            .iter()
            .map(|&weight| u128::from(weight) * members)
            .collect();
        let (mut light, mut heavy): (Vec<usize>, Vec<usize>) =
            (0..parts.len()).partition(|&at| parts[at] < whole);
        let mut cells: Box<[Cell]> = (0..weights.len() as u32)
            .map(|other| Cell {
                own: u64::MAX,
                other,
            })
            .collect();
        while let (Some(at), Some(&giver)) = (light.pop(), heavy.last()) {
            cells[at] = Cell {
                own: ((parts[at] << 64) / whole) as u64,
                other: giver as u32,
            };
            parts[giver] -= whole - parts[at];
            if parts[giver] < whole {
                heavy.pop();
                light.push(giver);
            }
        }
        Some(Self(cells))
    }

    /// Draws the index of a weight.
    pub(crate) fn draw(&self, rng: &Rng) -> usize {
        let (at, rest) = rng.below_with_rest(self.0.len());
        let cell = self.0[at];
        if rest < cell.own {
            at
        } else {
            cell.other as usize
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What each member has in all cells, as fractions of the whole.
    fn shares(table: &AliasTable) -> Vec<f64> {
        let cells = table.0.len() as f64;
        let mut shares = vec![0.0; table.0.len()];
        for (at, cell) in table.0.iter().enumerate() {
            let own = cell.own as f64 / 2_f64.powi(64);
            shares[at] += own / cells;
            shares[cell.other as usize] += (1.0 - own) / cells;
        }
        shares
    }

    proptest! {
        #[test]
        fn the_cells_hold_each_member_in_proportion_to_its_weight(
            weights in prop::collection::vec(prop_oneof![1..10_u32, 1..=u32::MAX], 1..50),
        ) {
            let sum: f64 = weights.iter().copied().map(f64::from).sum();
            let Some(table) = AliasTable::new(&weights) else {
                return Ok(());
            };
            for (share, weight) in shares(&table).into_iter().zip(&weights) {
                prop_assert!((share - f64::from(*weight) / sum).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn equal_weights_need_no_table() {
        assert!(AliasTable::new(&[]).is_none());
        assert!(AliasTable::new(&[7]).is_none());
        assert!(AliasTable::new(&[3, 3, 3]).is_none());
        assert!(AliasTable::new(&[3, 3, 4]).is_some());
    }
}
