use lookalike_plugin_api::ExemplarId;

/// Sets of row numbers that were joined, as trees of which each points to a smaller number.
pub(super) struct Forest {
    parents: Vec<u32>,
}

impl Forest {
    pub(super) fn new(rows: usize) -> Self {
        Self { parents: (0..rows as u32).collect() }
    }

    /// Joins the sets of two rows; false when they were one set already.
    pub(super) fn join(&mut self, first: u32, second: u32) -> bool {
        let (first, second) = (self.root(first), self.root(second));
        self.parents[first.max(second) as usize] = first.min(second);
        first != second
    }

    fn root(&mut self, mut row: u32) -> u32 {
        while self.parents[row as usize] != row {
            // Halving the path keeps the trees flat.
            let above = self.parents[self.parents[row as usize] as usize];
            self.parents[row as usize] = above;
            row = above;
        }
        row
    }

    /// The sets of two and more as ids, the largest first, ties by the smallest id.
    pub(super) fn groups(mut self, id: impl Fn(u32) -> ExemplarId) -> Vec<Vec<ExemplarId>> {
        let roots: Vec<u32> = (0..self.parents.len() as u32).map(|row| self.root(row)).collect();
        let mut sizes = vec![0_u32; roots.len()];
        roots.iter().for_each(|root| sizes[*root as usize] += 1);
        let mut places = vec![usize::MAX; roots.len()];
        let mut groups: Vec<Vec<ExemplarId>> = Vec::new();
        for (row, root) in roots.iter().enumerate() {
            let root = *root as usize;
            if sizes[root] < 2 {
                continue;
            }
            // A root is the smallest of its set, so it is met first.
            if root == row {
                places[root] = groups.len();
                groups.push(Vec::with_capacity(sizes[root] as usize));
            }
            groups[places[root]].push(id(row as u32));
        }
        groups.sort_by(|a, b| b.len().cmp(&a.len()).then(a[0].cmp(&b[0])));
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_rows_come_out_as_groups_by_size() {
        let mut forest = Forest::new(7);
        assert!(forest.join(5, 1));
        assert!(forest.join(6, 2));
        assert!(forest.join(2, 4));
        assert!(!forest.join(4, 6));
        assert_eq!(forest.groups(|row| row * 10), [vec![20, 40, 60], vec![10, 50]]);
    }
}
