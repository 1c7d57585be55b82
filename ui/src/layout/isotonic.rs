//! Places on a line that keep their distances and are, by least squares, nearest to the wished
//! ones.

/// `distances[i]` is the least between place `i` and place `i + 1`; weights are above zero.
pub(super) fn nearest(wished: &[f64], weights: &[f64], distances: &[f64]) -> Vec<f64> {
    // Without the distances the places must only not fall: pools of neighbours that would, share
    // their mean.
    let mut offsets = vec![0.0; wished.len()];
    for at in 1..wished.len() {
        offsets[at] = offsets[at - 1] + distances[at - 1];
    }
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for at in 0..wished.len() {
        let mut pool = (wished[at] - offsets[at], weights[at], 1);
        while let Some(last) = pools.last()
            && last.0 > pool.0
        {
            let weight = last.1 + pool.1;
            pool = ((last.0 * last.1 + pool.0 * pool.1) / weight, weight, last.2 + pool.2);
            pools.pop();
        }
        pools.push(pool);
    }
    let means = pools.into_iter().flat_map(|(mean, _, count)| std::iter::repeat_n(mean, count));
    means.zip(offsets).map(|(mean, offset)| mean + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_that_can_be_had_are_fulfilled() {
        assert_eq!(nearest(&[1.0, 5.0], &[1.0, 1.0], &[2.0]), [1.0, 5.0]);
        assert_eq!(nearest(&[], &[], &[]), [0.0; 0]);
    }

    #[test]
    fn wishes_that_collide_are_moved_alike_and_heavy_ones_less() {
        assert_eq!(nearest(&[4.0, 4.0], &[1.0, 1.0], &[2.0]), [3.0, 5.0]);
        assert_eq!(nearest(&[4.0, 4.0], &[3.0, 1.0], &[2.0]), [3.5, 5.5]);
        assert_eq!(nearest(&[9.0, 0.0, 0.0], &[1.0; 3], &[1.0, 1.0]), [2.0, 3.0, 4.0]);
    }
}
