// A product whose workgroup shares its operands: WY x WX threads load STRIP columns of the left matrix and STRIP rows of
// the right one into workgroup memory, then each adds its tile's products from there. Each element is loaded once for WX
// or WY tiles: what a GPU with many threads wants, and a software adapter, which is slow at barriers, does not.
//
// A line with $i is repeated for each row of the tile, one with $j for each four columns.

const STRIP = 16u;
const DOWN_ALL = WY * TILE_ROWS;
const ACROSS_ALL = WX * TILE_COLS;
var<workgroup> lefts: array<f32, STRIP * DOWN_ALL>;
var<workgroup> rights: array<f32, STRIP * ACROSS_ALL>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
    let group = id.y * GRID_X + id.x;
    if group >= GROUPS {
        return;
    }
    let b = group / (GROUPS_DOWN * GROUPS_ACROSS);
    let top = (group / GROUPS_ACROSS) % GROUPS_DOWN * DOWN_ALL;
    let start = group % GROUPS_ACROSS * ACROSS_ALL;
    let row = local / WX * TILE_ROWS;
    let column = local % WX;
    var t$i_$j = vec4f();
    for (var strip = 0u; strip < DEPTH; strip += STRIP) {
        // Neighbouring threads load neighbouring elements: along the depth, or along the other axis.
        for (var e = local; e < STRIP * DOWN_ALL; e += THREADS) {
            let k = select(e / DOWN_ALL, e % STRIP, LEFT_BY_DEPTH);
            let m = select(e % DOWN_ALL, e / STRIP, LEFT_BY_DEPTH);
            var value = 0.0;
            if strip + k < DEPTH && top + m < ROWS {
                value = left(b, top + m, strip + k);
            }
            lefts[k * DOWN_ALL + m] = value;
        }
        for (var e = local; e < STRIP * ACROSS_ALL; e += THREADS) {
            let k = select(e / ACROSS_ALL, e % STRIP, RIGHT_BY_DEPTH);
            let n = select(e % ACROSS_ALL, e / STRIP, RIGHT_BY_DEPTH);
            var value = 0.0;
            if strip + k < DEPTH && start + n < COLS {
                value = right(b, strip + k, start + n);
            }
            rights[k * ACROSS_ALL + n] = value;
        }
        workgroupBarrier();
        for (var k = 0u; k < STRIP; k += 1u) {
            let at$j = k * ACROSS_ALL + column + 4u * $ju * WX;
            let row01_$j = vec2f(rights[at$j], rights[at$j + WX]);
            let row23_$j = vec2f(rights[at$j + 2u * WX], rights[at$j + 3u * WX]);
            let row$j = vec4f(row01_$j, row23_$j);
            let a$i = lefts[k * DOWN_ALL + row + $iu];
            t$i_$j += a$i * row$j;
        }
        workgroupBarrier();
    }
    let tile = Tile(
        t$i_$j,
    );
    finish(local, b, top + row, start + column, tile);
}
