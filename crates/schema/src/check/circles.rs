//! Circles in a graph, and an order without them.

/// What comes of walking a graph depth first.
pub(super) struct Walk {
    /// Every node after all that it leads to, as far as there is no circle.
    pub(super) order: Vec<usize>,
    /// Circles, each without its first node repeated. Every circle of the graph shares an edge with one of them.
    pub(super) circles: Vec<Vec<usize>>,
}

/// Walks from every node. It may be deep, so it keeps its own stack.
pub(super) fn walk<I: Iterator<Item = usize>>(nodes: usize, next: impl Fn(usize) -> I, circles_max: usize) -> Walk {
    /// Where a node is on the current way, and `DONE` once all behind it was seen.
    const DONE: usize = usize::MAX;
    let mut seen: Vec<Option<usize>> = vec![None; nodes];
    let mut walk = Walk { order: Vec::with_capacity(nodes), circles: Vec::new() };
    for start in 0..nodes {
        if seen[start].is_some() {
            continue;
        }
        seen[start] = Some(0);
        let mut way = vec![(start, next(start))];
        while let Some((node, edges)) = way.last_mut() {
            let node = *node;
            match edges.next().map(|to| (to, seen[to])) {
                None => {
                    seen[node] = Some(DONE);
                    walk.order.push(node);
                    way.pop();
                }
                Some((to, None)) => {
                    seen[to] = Some(way.len());
                    way.push((to, next(to)));
                }
                Some((_, Some(DONE))) => {}
                Some((_, Some(depth))) => {
                    if walk.circles.len() < circles_max {
                        walk.circles.push(way[depth..].iter().map(|(node, _)| *node).collect());
                    }
                }
            }
        }
    }
    walk
}

/// The names of a circle with its first at the end, or as many of them as can be read.
pub(super) fn named(circle: &[usize], name: impl Fn(usize) -> String) -> Vec<String> {
    const SHOWN_MAX: usize = 10;
    let mut names: Vec<String> = circle.iter().take(SHOWN_MAX).map(|node| name(*node)).collect();
    if circle.len() > SHOWN_MAX {
        names.push(format!("… ({} more)", circle.len() - SHOWN_MAX));
    }
    names.extend(circle.first().map(|node| name(*node)));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_found_and_the_order_ends_at_the_start() {
        let edges = [vec![1], vec![2], vec![1, 3], vec![]];
        let walk = walk(4, |node| edges[node].iter().copied(), 10);
        assert_eq!(walk.circles, [[1, 2]]);
        assert_eq!(walk.order, [3, 2, 1, 0]);
    }
}
