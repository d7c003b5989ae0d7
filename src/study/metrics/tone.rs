//! What a change of tone does not explain: colours are matched as well as one map of all colours can do it, and what then still
//! differs was drawn.

/// Means of L*, a*, b* over the cells of a coarse grid.
pub(super) type Cells = Vec<[f32; 3]>;

/// How far two pictures are from each other in what no change of tone explains: the mean ΔE over coarse cells.
pub type Unexplained = f64;

/// Numbers that a colour is mapped by: L*, a*, b* and a constant.
const TERMS: usize = 4;
/// How often the map is fitted; cells that it does not fit count less each time.
const ROUNDS: usize = 4;
/// A cell this far off (ΔE) counts half.
const FAR: f64 = 4.0;

/// The distance after the colours of `from` were mapped to those of `to` by the linear map that fits most cells. Cells that are
/// marked in `edges` do not count.
pub(super) fn unexplained(from: &Cells, to: &Cells, edges: &[bool]) -> Unexplained {
    let pairs = || from.iter().zip(to).map(|(p, q)| (p.map(f64::from), q.map(f64::from)));
    let is_edge = |n: usize| edges.get(n).copied().unwrap_or(false);
    let mut weights: Vec<f64> = (0..from.len().min(to.len())).map(|n| if is_edge(n) { 0.0 } else { 1.0 }).collect();
    let mut distances = vec![0.0; weights.len()];
    for _ in 0..ROUNDS {
        let mut matrix = [[0.0; TERMS]; TERMS];
        let mut wanted = [[0.0; 3]; TERMS];
        for ((p, q), weight) in pairs().zip(&weights) {
            let terms = [p[0], p[1], p[2], 1.0];
            for (i, t) in terms.iter().enumerate() {
                terms.iter().enumerate().for_each(|(j, u)| matrix[i][j] += weight * t * u);
                q.iter().enumerate().for_each(|(j, v)| wanted[i][j] += weight * t * v);
            }
        }
        // A plain picture says nothing about most of the map; it then leaves the colours as they are.
        const FAITH: f64 = 1e-2;
        for i in 0..TERMS {
            matrix[i][i] += FAITH;
            if i < 3 {
                wanted[i][i] += FAITH;
            }
        }
        let map = solved(matrix, wanted);
        for (n, (p, q)) in pairs().enumerate().filter(|(n, _)| !is_edge(*n)) {
            let mapped = |j: usize| p.iter().zip(&map).map(|(t, row)| t * row[j]).sum::<f64>() + map[3][j];
            distances[n] = (0..3).map(|j| (mapped(j) - q[j]).powi(2)).sum::<f64>().sqrt();
            weights[n] = 1.0 / (1.0 + (distances[n] / FAR).powi(2));
        }
    }
    let counted = distances.iter().enumerate().filter(|(n, _)| !is_edge(*n));
    let (sum, count) = counted.fold((0.0, 0usize), |(sum, count), (_, distance)| (sum + distance, count + 1));
    sum / count.max(1) as f64
}

/// Solves `matrix` · x = `wanted` for a symmetric positive matrix, by elimination.
fn solved(mut matrix: [[f64; TERMS]; TERMS], mut wanted: [[f64; 3]; TERMS]) -> [[f64; 3]; TERMS] {
    for i in 0..TERMS {
        let (row, right) = (matrix[i], wanted[i]);
        for j in 0..TERMS {
            if j != i {
                let share = matrix[j][i] / row[i];
                matrix[j].iter_mut().zip(row).for_each(|(m, r)| *m -= share * r);
                wanted[j].iter_mut().zip(right).for_each(|(w, r)| *w -= share * r);
            }
        }
    }
    std::array::from_fn(|i| wanted[i].map(|w| w / matrix[i][i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unexplained(from: &Cells, to: &Cells) -> f64 {
        super::unexplained(from, to, &[])
    }

    fn cells(colour: impl Fn(usize) -> [f32; 3]) -> Cells {
        (0..256).map(colour).collect()
    }

    #[test]
    fn a_tone_is_explained_and_a_drawing_is_not() {
        let plain = |n: usize| [30.0 + (n % 16) as f32 * 3.0, (n / 16) as f32 * 2.0 - 10.0, 20.0 - (n % 7) as f32];
        let from = cells(plain);
        let redder = cells(|n| {
            plain(n)
                .map(|v| v * 0.7)
                .iter()
                .zip([3.0, 25.0, 9.0])
                .map(|(v, s)| v + s)
                .collect::<Vec<_>>()
                .try_into()
                .unwrap()
        });
        assert!(unexplained(&from, &redder) < 0.1, "{}", unexplained(&from, &redder));
        // A bar over a quarter of the picture, in either tone.
        let bar = |cells: &Cells| -> Cells {
            cells.iter().enumerate().map(|(n, c)| if n < 64 { [15.0, 20.0, -45.0] } else { *c }).collect()
        };
        let drawn = unexplained(&from, &bar(&from));
        assert!(drawn > 5.0, "{drawn}");
        assert!((unexplained(&from, &bar(&redder)) / drawn - 1.0).abs() < 0.35);
        assert!(unexplained(&bar(&from), &bar(&redder)) < 0.3 * drawn);
        let edges: Vec<bool> = (0..256).map(|n| n < 64).collect();
        let beside = super::unexplained(&from, &bar(&from), &edges);
        assert!(beside < 0.2 * drawn, "{beside} of {drawn}");
        assert_eq!(unexplained(&Vec::new(), &Vec::new()), 0.0);
        assert!(unexplained(&cells(|_| [50.0; 3]), &cells(|_| [50.0; 3])) < 1e-6);
    }
}
