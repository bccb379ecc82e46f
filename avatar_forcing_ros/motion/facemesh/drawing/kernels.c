// SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
// SPDX-License-Identifier: Apache-2.0
//
// What touches every pixel of a frame: the Python module avatar_forcing_ros._drawing, whose types stand in
// _drawing.pyi.
//
// Each function takes contiguous arrays as buffers, checks how long they are, and lets other threads of Python run
// while it works. Arithmetic is not contracted (-ffp-contract=off), so that every processor gives the same pixels.

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

// A second version of a function for processors with AVX2; the loader chooses. Elsewhere the baseline has vectors, too.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif
#define INLINED static inline __attribute__((always_inline))

typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint32_t words4 __attribute__((vector_size(16)));
typedef float floats4 __attribute__((vector_size(16)));

INLINED float clamp(float value, float low, float high) { return fminf(fmaxf(value, low), high); }
INLINED float share(float value) { return clamp(value, 0.0f, 1.0f); }
INLINED long least(long a, long b) { return a < b ? a : b; }
INLINED long most(long a, long b) { return a > b ? a : b; }

// --- the backward map ------------------------------------------------------------------------------------------------

// Texture positions are counted in 32nds of a pixel; along a row in 1024ths of these, in whole numbers, so that a row
// is a loop without branches, which compiles to vectors.
enum { FINE_BITS = 10 };
#define FINE ((float)(32 << FINE_BITS))
#define FAR 1e9f

typedef struct {
    float x, y, u, v;
} Vertex;

typedef struct {            // how a vertex of the portrait moves
    double follow, breath;  // its shares of the head's motion and of the breath
    double ratio_at_rest;   // enlargement by perspective in the portrait as photographed
} Share;

typedef struct {  // the portrait's head, and who looks at it
    double rotation[9], offset[2], scale, pivot[3], camera_distance;
} Head;

typedef struct {
    double turn[9], x, y, breath;
} Motion;

// Where points of head space lie in the picture, as `vertices`, and how far away. Returns the longest way, across or
// down, from where they lie in the texture.
static double place(const double *points, long count, const Share *shares, const Head *head, const Motion *motion,
                    Vertex *vertices, float *depths) {
    double longest = 0;
    const double *t = motion->turn, *r = head->rotation;
    for (long i = 0; i < count; i++, points += 3) {
        const double from[3] = {points[0] - head->pivot[0], points[1] - head->pivot[1], points[2] - head->pivot[2]};
        const double shift[3] = {motion->x, motion->y, 0.0};
        double posed[3];
        for (int k = 0; k < 3; k++) {
            const double moved =
                t[3 * k] * from[0] + t[3 * k + 1] * from[1] + t[3 * k + 2] * from[2] + head->pivot[k] + shift[k];
            posed[k] = points[k] + shares[i].follow * (moved - points[k]);
        }
        posed[1] -= motion->breath * shares[i].breath;
        double seen[3];
        for (int k = 0; k < 3; k++) seen[k] = r[3 * k] * posed[0] + r[3 * k + 1] * posed[1] + r[3 * k + 2] * posed[2];
        const double ratio = head->camera_distance / (head->camera_distance + seen[2]) / shares[i].ratio_at_rest;
        Vertex *vertex = vertices + i;
        vertex->x = (float)(head->offset[0] + head->scale * seen[0] * ratio);
        vertex->y = (float)(head->offset[1] + head->scale * seen[1] * ratio);
        depths[i] = (float)posed[2];
        longest = fmax(longest, fmax(fabs(vertex->x - vertex->u), fabs(vertex->y - vertex->v)));
    }
    return longest;
}

// Columns per row along an edge; 0 for a level one, which bounds no row.
INLINED double slope(Vertex a, Vertex b) { return fabsf(b.y - a.y) > 1e-6f ? (b.x - a.x) / (b.y - a.y) : 0.0; }

// A whole number, towards 0, that may overflow without harm.
INLINED uint32_t whole(double value) { return (uint32_t)(int32_t)fmin(fmax(value, -2e9), 2e9); }

// The next whole number, of what lies in a picture; far away it only stays far. (`ceil` calls a function on old
// processors.)
enum { AWAY = 4096 };
INLINED long upwards(double value) { return AWAY - (long)(AWAY - fmin(value, AWAY)); }
INLINED long downwards(double value) { return (long)(fmax(value, -AWAY) + AWAY) - AWAY; }

typedef struct {  // texture position of the first pixel of a row, and what each further one adds
    uint32_t u, v, step_u, step_v;
} Run;

// Positions that run beyond the texture are brought back; all others need not be looked at.
INLINED void write_run(uint32_t *out, uint32_t count, const Run *run, uint32_t texels) {
    const uint32_t span = count - 1, end_u = run->u + run->step_u * span, end_v = run->v + run->step_v * span;
    if (run->u > texels || run->v > texels || end_u > texels || end_v > texels) {
        for (uint32_t k = 0; k < count; k++) {
            const int32_t u = (int32_t)(run->u + run->step_u * k), v = (int32_t)(run->v + run->step_v * k);
            const uint32_t near_u = u < 0 ? 0 : (uint32_t)least(u, (long)texels);
            const uint32_t near_v = v < 0 ? 0 : (uint32_t)least(v, (long)texels);
            out[k] = (near_v >> FINE_BITS) << 16 | near_u >> FINE_BITS;
        }
        return;
    }
    const words4 steps = {0, 1, 2, 3};
    words4 u = run->u + run->step_u * steps, v = run->v + run->step_v * steps;
    for (;;) {
        words4 four = (v >> FINE_BITS) << 16 | u >> FINE_BITS;
        if (count < 4) {
            if (count & 2) {
                memcpy(out, &four, 8);
                memcpy(&four, (const char *)&four + 8, 8);
                out += 2;
            }
            if (count & 1) memcpy(out, &four, 4);
            return;
        }
        memcpy(out, &four, 16);
        out += 4, count -= 4, u += 4 * run->step_u, v += 4 * run->step_v;
    }
}

// Write v << 16 | u, where the texture's colour lies in 32nds of a pixel, for every pixel that the triangle covers.
INLINED void triangle(Vertex a, Vertex b, Vertex c, uint32_t *map, int size) {
    const float area = (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
    if (fabsf(area) < 1e-4f) return;
    const long top = most(0, upwards(fminf(fminf(a.y, b.y), c.y) - 1e-3));
    const long bottom = least(size - 1, downwards(fmaxf(fmaxf(a.y, b.y), c.y) + 1e-3));
    if (top > bottom) return;
    // texture position = position at vertex a + gradient * distance from it
    const float bx = (c.y - a.y) / area, by = (a.x - c.x) / area, cx = (a.y - b.y) / area, cy = (b.x - a.x) / area;
    const float ux = FINE * (bx * (b.u - a.u) + cx * (c.u - a.u)), uy = FINE * (by * (b.u - a.u) + cy * (c.u - a.u));
    const float vx = FINE * (bx * (b.v - a.v) + cx * (c.v - a.v)), vy = FINE * (by * (b.v - a.v) + cy * (c.v - a.v));
    const float half = 1 << (FINE_BITS - 1);
    const float ua = FINE * a.u + half - ux * a.x - uy * a.y, va = FINE * a.v + half - vx * a.x - vy * a.y;
    const uint32_t step_u = whole(clamp(ux, -3e7f, 3e7f)), step_v = whole(clamp(vx, -3e7f, 3e7f));
    const uint32_t texels = (uint32_t)((size - 1) * 32) << FINE_BITS;
    // for each edge what to add to its column for a lower and an upper bound: 0 on the side it bounds, else far
    const float sign = area > 0 ? 1.0f : -1.0f;
    const float ab = sign * (b.y - a.y), bc = sign * (c.y - b.y), ca = sign * (a.y - c.y);
    const float low_ab = ab < -1e-6f ? 0 : -FAR, low_bc = bc < -1e-6f ? 0 : -FAR, low_ca = ca < -1e-6f ? 0 : -FAR;
    const float high_ab = ab > 1e-6f ? 0 : FAR, high_bc = bc > 1e-6f ? 0 : FAR, high_ca = ca > 1e-6f ? 0 : FAR;
    const double slope_ab = slope(a, b), slope_bc = slope(b, c), slope_ca = slope(c, a);
    for (long row = top; row <= bottom; row++) {
        const double at_ab = a.x + slope_ab * (row - a.y), at_bc = b.x + slope_bc * (row - b.y);
        const double at_ca = c.x + slope_ca * (row - c.y);
        const double left = fmax(fmax(at_ab + low_ab, at_bc + low_bc), at_ca + low_ca);
        const double right = fmin(fmin(at_ab + high_ab, at_bc + high_bc), at_ca + high_ca);
        const long first = most(0, upwards(left - 2e-3)), last = least(size - 1, downwards(right + 2e-3));
        if (first > last) continue;
        const uint32_t count = (uint32_t)(last - first + 1);
        Run run = {whole(ua + (double)uy * row + (double)ux * first), whole(va + (double)vy * row + (double)vx * first),
                   step_u, step_v};
        write_run(map + row * size + first, count, &run, texels);
    }
}

typedef struct {
    uint32_t key;
    int32_t index;
} Ranked;

// The triangles' numbers, those that lie furthest away first; equal ones keep their order. Sorted by eleven bits at a
// time.
static void rank(const int32_t *corners, int32_t count, const float *depths, Ranked *ranked, Ranked *spare) {
    for (int32_t i = 0; i < count; i++) {
        const float nearness = -(depths[corners[3 * i]] + depths[corners[3 * i + 1]] + depths[corners[3 * i + 2]]);
        uint32_t bits;
        memcpy(&bits, &nearness, 4);
        ranked[i] = (Ranked){bits & 0x80000000u ? ~bits : bits | 0x80000000u, i};  // as whole numbers in the same order
    }
    for (int shift = 0; shift < 33; shift += 11) {
        int32_t starts[2049] = {0};
        for (int32_t i = 0; i < count; i++) starts[(ranked[i].key >> shift & 2047) + 1]++;
        for (int k = 0; k < 2048; k++) starts[k + 1] += starts[k];
        for (int32_t i = 0; i < count; i++) spare[starts[ranked[i].key >> shift & 2047]++] = ranked[i];
        Ranked *other = ranked;
        ranked = spare, spare = other;
    }
}

typedef struct {
    const int32_t *corners;
    int32_t count;
} Triangles;

// The whole map: `nowhere`, what lies outside the face in its order, and the face from back to front. False without
// memory.
WIDE static int draw_map(const Triangles *outside, const Triangles *face, const Vertex *vertices, const float *depths,
                         uint32_t nowhere, uint32_t *map, int size) {
    Ranked *ranked = malloc(2 * sizeof *ranked * (size_t)face->count + 1);
    if (!ranked) return 0;
    rank(face->corners, face->count, depths, ranked, ranked + face->count);
    for (size_t i = 0; i < (size_t)size * size; i++) map[i] = nowhere;
    const int32_t *corner = outside->corners;
    for (int32_t i = 0; i < outside->count; i++, corner += 3)
        triangle(vertices[corner[0]], vertices[corner[1]], vertices[corner[2]], map, size);
    const Ranked *next = ranked + face->count;  // where an odd number of passes has left them
    for (int32_t i = 0; i < face->count; i++) {
        corner = face->corners + 3 * (size_t)next[i].index;
        triangle(vertices[corner[0]], vertices[corner[1]], vertices[corner[2]], map, size);
    }
    free(ranked);
    return 1;
}

// --- sampling --------------------------------------------------------------------------------------------------------

// The colour at a position in 32nds of a pixel, rounded: of the four pixels around it, by how near they are. The same
// whole numbers whichever of the three ways a processor has.
INLINED uint32_t sampled(const uint32_t *texture, uint32_t size, uint32_t position) {
    uint32_t row = position >> 21, column = (position >> 5) & 0x7FF, down = (position >> 16) & 31,
             right = position & 31;
    if (column > size - 2)
        column = size - 2, right = 32;  // the last column has none beside it, the last row none below
    if (row > size - 2) row = size - 2, down = 32;
    const uint32_t *at = texture + row * size + column;
#if defined(__SSE2__)
    const __m128i none = _mm_setzero_si128();
    const __m128i above = _mm_unpacklo_epi8(_mm_loadl_epi64((const __m128i *)at), none);
    const __m128i below = _mm_unpacklo_epi8(_mm_loadl_epi64((const __m128i *)(at + size)), none);
    const __m128i both = _mm_add_epi16(_mm_slli_epi16(above, 5),
                                       _mm_mullo_epi16(_mm_sub_epi16(below, above), _mm_set1_epi16((short)down)));
    const __m128i pairs = _mm_unpacklo_epi16(both, _mm_srli_si128(both, 8));
    const __m128i sum = _mm_madd_epi16(pairs, _mm_set1_epi32((int)(right << 16 | (32 - right))));
    const __m128i colour = _mm_srli_epi32(_mm_add_epi32(sum, _mm_set1_epi32(512)), 10);
    return (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(_mm_packs_epi32(colour, none), none));
#elif defined(__ARM_NEON)
    const uint8x8_t above = vld1_u8((const uint8_t *)at), below = vld1_u8((const uint8_t *)(at + size));
    const uint16x8_t both = vmlal_u8(vmull_u8(above, vdup_n_u8((uint8_t)(32 - down))), below, vdup_n_u8((uint8_t)down));
    const uint32x4_t sum =
        vmlal_n_u16(vmull_n_u16(vget_low_u16(both), (uint16_t)(32 - right)), vget_high_u16(both), (uint16_t)right);
    const uint16x4_t colour = vrshrn_n_u32(sum, 10);
    return vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(colour, colour))), 0);
#else
    uint32_t pixel = 0;
    for (int bit = 0; bit < 32; bit += 8) {
        const uint32_t above = (at[0] >> bit & 255) * (32 - right) + (at[1] >> bit & 255) * right;
        const uint32_t below = (at[size] >> bit & 255) * (32 - right) + (at[size + 1] >> bit & 255) * right;
        pixel |= (above * (32 - down) + below * down + 512) >> 10 << bit;
    }
    return pixel;
#endif
}

// `out` (S, S) = texture where the map says, between the given columns of each row; nothing beside them.
WIDE static void bend(const uint32_t *texture, const uint32_t *map, const int32_t *spans, uint32_t *out, int size) {
    for (int row = 0; row < size; row++, map += size, out += size) {
        const int first = spans[2 * row], last = spans[2 * row + 1];
        memset(out, 0, sizeof *out * first);
        for (int column = first; column < last; column++) out[column] = sampled(texture, (uint32_t)size, map[column]);
        memset(out + last, 0, sizeof *out * (size - last));
    }
}

// --- edges in depth --------------------------------------------------------------------------------------------------

// Step of the texture position between neighbouring pixels, in pixels, that marks an edge in depth.
enum { LEAST_JUMP = 4 };

INLINED int jumps(uint32_t here, uint32_t there) {
    const int aside = (int)((there >> 5) & 0x7FF) - (int)((here >> 5) & 0x7FF),
              down = (int)(there >> 21) - (int)(here >> 21);
    return abs(aside) + abs(down) > LEAST_JUMP;
}

INLINED void mix(uint8_t *a, uint8_t *b) {
    for (int c = 0; c < 4; c++) {
        const int one = a[c], other = b[c];
        a[c] = (uint8_t)((2 * one + other + 1) / 3);
        b[c] = (uint8_t)((one + 2 * other + 1) / 3);
    }
}

// Mix neighbours where one part of the mesh hides another, which sampling the texture leaves jagged: where the vertices
// of the skin are.
WIDE static void soften(uint32_t *person, const uint32_t *map, const Vertex *skin, long count, int size) {
    float x0 = FAR, y0 = FAR, x1 = -FAR, y1 = -FAR;
    for (long i = 0; i < count; i++) {
        x0 = fminf(x0, skin[i].x), x1 = fmaxf(x1, skin[i].x);
        y0 = fminf(y0, skin[i].y), y1 = fmaxf(y1, skin[i].y);
    }
    const int left = (int)clamp(floorf(x0), 1, size - 2) - 1, right = (int)clamp(ceilf(x1), 1, size - 2) + 2;
    const int top = (int)clamp(floorf(y0), 1, size - 2) - 1, bottom = (int)clamp(ceilf(y1), 1, size - 2) + 2;
    enum { RUN = 32 };
    for (int row = top; row < bottom - 1; row++) {
        const uint32_t *here = map + (size_t)row * size;
        uint8_t *pixels = (uint8_t *)(person + (size_t)row * size);
        for (int start = left; start < right - 1; start += RUN) {
            const int end = (int)least(start + RUN, right - 1);
            int any = 0;
            for (int column = start; column < end; column++)
                any |= jumps(here[column], here[column + 1]) | jumps(here[column], here[column + size]);
            for (int column = any ? start : end; column < end; column++) {
                uint8_t *pixel = pixels + 4 * (size_t)column;
                if (jumps(here[column], here[column + 1])) mix(pixel, pixel + 4);
                if (jumps(here[column], here[column + size])) mix(pixel, pixel + 4 * (size_t)size);
            }
        }
    }
}

// --- the finished picture --------------------------------------------------------------------------------------------

INLINED bytes16 without_matte(bytes16 four) {
#if defined(__clang__)
    return __builtin_shufflevector(four, four, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15);
#else
    return __builtin_shuffle(four, (bytes16){0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15});
#endif
}

// `out` (S, S, 3) = person over plate, both (S, S, 4), the person with its matte; where the spans leave it out the
// plate alone, (S, S, 3). Two colours are mixed at once in each 32-bit number; exact where the matte is 0 or 255.
WIDE static void lay_over(const uint32_t *person, const uint32_t *plate, const uint8_t *bare, const int32_t *spans,
                          uint8_t *out, int size) {
    enum { RUN = 64 };
    const uint32_t even = 0x00FF00FF;
    uint32_t mixed[RUN];
    for (int row = 0; row < size; row++) {
        const size_t start = (size_t)row * size;
        const int first = spans[2 * row], last = spans[2 * row + 1];
        uint8_t *to = out + 3 * start;
        memcpy(to, bare + 3 * start, 3 * (size_t)first);
        for (int column = first; column < last; column += RUN) {
            const int count = (int)least(RUN, last - column);
            const uint32_t *front = person + start + column, *back = plate + start + column;
            for (int i = 0; i < count; i++) {
                uint32_t alpha = front[i] >> 24;
                alpha += alpha >> 7;
                const uint32_t rest = 256 - alpha;
                const uint32_t low = (((front[i] & even) * alpha + (back[i] & even) * rest) >> 8) & even;
                const uint32_t high = ((front[i] >> 8) & even) * alpha + ((back[i] >> 8) & even) * rest;
                mixed[i] = low | (high & ~even);
            }
            uint8_t *at = to + 3 * (size_t)column;
            int i = 0;
            for (; i + 6 <= count; i += 4) {  // sixteen bytes are written, and twelve meant
                bytes16 four;
                memcpy(&four, mixed + i, 16);
                four = without_matte(four);
                memcpy(at + 3 * (size_t)i, &four, 16);
            }
            for (; i < count; i++) memcpy(at + 3 * (size_t)i, mixed + i, 3);
        }
        memcpy(to + 3 * (size_t)last, bare + 3 * (start + last), 3 * (size_t)(size - last));
    }
}

// --- folds of the skin -----------------------------------------------------------------------------------------------

WIDE static void shade_fold(uint8_t *target, int stride, const float *skin, const float *shade, float strength,
                            int height, int width) {
    for (int row = 0; row < height; row++, target += 4 * (size_t)stride, skin += 3 * width, shade += width)
        for (int column = 0; column < width; column++) {
            const float factor = 1.0f + strength * shade[column];
            for (int c = 0; c < 3; c++)
                target[4 * column + c] = (uint8_t)(int)clamp(skin[3 * column + c] * factor + 0.5f, 0.0f, 255.0f);
        }
}

// --- eyes ------------------------------------------------------------------------------------------------------------

typedef struct {  // one eye of a portrait, see drawing/eyes.py
    const float *open, *shut, *socket, *white, *iris, *lashes, *upper, *lower;
    int height, width;
    float lash, gaze_side, gaze_down, lower_lid_share;
} Eye;

typedef struct {  // what the eye does, as channels
    float blink, gaze_x, gaze_y, smile;
} Look;

enum { WIDEST_EYE = 1024 };
static const float SOFT_EDGE = 1.4f;  // rows over which the edge of a lid turns from skin to eye: sharper ones flicker
static const float SMILE_LOWER_LID = 0.55f;   // what it closes more in a full smile, whose cheeks push it up
static const float LID_FOLLOWS_GAZE = 0.22f;  // closure of the upper lid when the eyes look fully down
static const float LID_SHADOW = 0.30f, SHADOW_LASHES = 4.0f;  // of the light on the eyeball, over so many lash lines
static const float WHITE_UNDER_LID = 0.72f, WHITE_GAIN = 0.24f, WHITE_REACH = 0.35f;
static const float LASH_STRENGTH = 0.85f;  // a drawn line at full strength looks like make-up

// Four channels of a picture (H, W, 4) between its pixels, with the border repeated.
INLINED floats4 between(const float *picture, int height, int width, float row, float column) {
    row = clamp(row, 0.0f, height - 1.001f);
    column = clamp(column, 0.0f, width - 1.001f);
    const int r = (int)row, c = (int)column;
    const float fr = row - r, fc = column - c;
    floats4 a, b, d, e;
    const float *at = picture + 4 * ((size_t)r * width + c);
    memcpy(&a, at, 16);
    memcpy(&b, at + 4, 16);
    memcpy(&d, at + 4 * (size_t)width, 16);
    memcpy(&e, at + 4 * (size_t)width + 4, 16);
    const floats4 above = a + fc * (b - a), below = d + fc * (e - d);
    return above + fr * (below - above);
}

WIDE static void paint_eye(uint8_t *target, int stride, const Eye *eye, const Look *look) {
    const float lash = eye->lash, side = look->gaze_x * eye->gaze_side, down = look->gaze_y * eye->gaze_down;
    const float closure = fminf(1.0f, look->blink + LID_FOLLOWS_GAZE * fmaxf(look->gaze_y, 0.0f) * (1 - look->blink));
    const float lower_share = eye->lower_lid_share + SMILE_LOWER_LID * fmaxf(look->smile, 0.0f);
    const float gaze = fminf(1.0f, 6.0f * (fabsf(side) + fabsf(down)) / (1.0f + lash));
    const float lid = fminf(1.0f, 2.5f * closure), seen = fminf(1.0f, 20.0f * closure);
    const int height = eye->height, width = eye->width;
    float edges[WIDEST_EYE], low_edges[WIDEST_EYE], gaps[WIDEST_EYE], betweens[WIDEST_EYE], lines[WIDEST_EYE];
    for (int column = 0; column < width; column++) {
        const float gap = eye->lower[column] - eye->upper[column];
        const float low_edge = eye->lower[column] - lower_share * closure * gap;
        // as open, whichever lid moves
        const float edge = low_edge - (1.0f - closure) * (1.0f - eye->lower_lid_share * closure) * gap;
        const int edge_row = (int)clamp(edge, 0.0f, height - 1.0f);
        gaps[column] = gap, low_edges[column] = low_edge, edges[column] = edge;
        betweens[column] = share(gap / (1.5f * lash));  // 0 beside the eye
        lines[column] = lid * fminf(1.0f, 1.5f * eye->socket[edge_row * width + column]);
    }
    for (int row = 0; row < height; row++, target += 4 * (size_t)stride) {
        const float *open = eye->open + 3 * (size_t)row * width, *shut = eye->shut + 3 * (size_t)row * width;
        const float *white = eye->white + 3 * (size_t)row * width, *socket = eye->socket + (size_t)row * width;
        for (int column = 0; column < width; column++) {
            const float upper = eye->upper[column], lower = eye->lower[column], edge = edges[column];
            const float inside = betweens[column];
            float ball = share(0.5f + (row - edge) / SOFT_EDGE) * share(0.5f + (low_edges[column] - row) / SOFT_EDGE);
            ball *= inside;
            const float was_open =
                share(0.5f + (row - upper) / SOFT_EDGE) * share(0.5f + (lower - row) / SOFT_EDGE) * inside * seen;
            const float skin = fmaxf(was_open, lid * socket[column]) * (1.0f - ball);
            const float line = lines[column] * fmaxf(0.0f, 1.0f - fabsf(row - edge + 0.2f * lash) / lash);
            uint8_t *pixel = target + 4 * column;
            const float *picture = open + 3 * column;
            if (skin <= 0.0f && line <= 0.0f && (ball <= 0.0f || (gaze == 0.0f && closure == 0.0f))) {
                for (int c = 0; c < 3; c++) pixel[c] = (uint8_t)picture[c];
                continue;
            }
            const float shadow = 1.0f - LID_SHADOW * closure * ball *
                                            fmaxf(0.0f, 1.0f - fmaxf(0.0f, row - edge) / (SHADOW_LASHES * lash));
            const float lit = fminf(1.0f, fmaxf(0.0f, row - upper) / fmaxf(WHITE_REACH * gaps[column], 1.0f));
            const float shade = WHITE_UNDER_LID + WHITE_GAIN * lit;
            const int moved = gaze > 0.0f && ball > 0.0f;
            floats4 iris = {0, 0, 0, 0};
            if (moved) iris = between(eye->iris, height, width, row - down, column - side);
            for (int c = 0; c < 3; c++) {
                float value = picture[c];
                if (moved) {
                    float made = white[3 * column + c] * shade;
                    made += iris[3] * (iris[c] * (0.4f + 0.6f * shade) - made);
                    value += gaze * ball * (made - value);
                }
                value *= shadow;
                value += skin * (shut[3 * column + c] - value);
                value += LASH_STRENGTH * line * (fminf(eye->lashes[3 * column + c], value) - value);
                pixel[c] = (uint8_t)(int)clamp(value + 0.5f, 0.0f, 255.0f);
            }
        }
    }
}

// --- the inside of the mouth -----------------------------------------------------------------------------------------

typedef struct {  // a row of teeth as a picture (H, W, 4), see drawing/teeth.py
    const float *picture;
    int height, width;
} Teeth;

typedef struct {  // see drawing/mouth.py; lengths in interocular distances
    const uint8_t *mask;
    const float *top, *bottom;  // rows of the lips' edges for each column
    int height, width;
    const float *inverse, *shift, *cavity, *tongue, *lip;
    float upper_edge, lower_edge, teeth, presence, unit, tooth_width;
    float sprite_scale, sprite_half_width, sprite_height, sprite_edge;
} Mouth;

INLINED floats4 tooth(const Teeth *teeth, const Mouth *mouth, float u, float v) {
    const float column = (u + mouth->sprite_half_width) * mouth->sprite_scale - 0.5f;
    return between(teeth->picture, teeth->height, teeth->width, v * mouth->sprite_scale - 0.5f, column);
}

// Dark, tongue, lower teeth, upper teeth, then the shadow of the lips.
WIDE static void fill_mouth(uint8_t *target, int stride, const Mouth *m, const Teeth *upper, const Teeth *lower) {
    const float centre = 0.5f * (m->width - 1);
    const float jaw = fminf(1.0f, fmaxf(0.0f, m->lower_edge / 0.3f));
    for (int row = 0; row < m->height; row++, target += 4 * (size_t)stride) {
        const uint8_t *mask = m->mask + (size_t)row * m->width;
        for (int column = 0; column < m->width; column++) {
            const float alpha = m->presence * mask[column] / 255.0f;
            if (alpha <= 0.0f) continue;
            const float u = (m->shift[0] + m->inverse[0] * column + m->inverse[1] * row) / m->tooth_width;
            const float v = m->shift[1] + m->inverse[2] * column + m->inverse[3] * row;
            const float under_lip = fmaxf(0.0f, (row - m->top[column]) / m->unit);
            const float over_lip = fmaxf(0.0f, (m->bottom[column] - row) / m->unit);
            const float side = (column - centre) / centre;
            const float inner_lip = 0.85f * fmaxf(0.0f, 1.0f - fminf(under_lip, 1.3f * over_lip) / 0.022f);
            float shadow =
                (0.72f + 0.28f * fminf(1.0f, under_lip / 0.06f)) * (0.80f + 0.20f * fminf(1.0f, over_lip / 0.04f));
            shadow *= 1.0f - 0.35f * side * side * side * side;
            const float deep = 1.0f - 0.50f * fminf(1.0f, under_lip / 0.30f);
            // the tongue lies behind the lower teeth: a back that falls off to the sides and rises as the jaw opens
            const float back = m->lower_edge - 0.04f - 0.11f * jaw + 1.6f * u * u;
            const float on_tongue = share((v - back) / 0.05f) * share((m->lower_edge - 0.03f) / 0.10f);
            const float groove = 1.0f - 0.14f * fmaxf(0.0f, 1.0f - fabsf(u) / 0.05f);
            const float relief = (0.60f + 0.40f * fminf(1.0f, fmaxf(0.0f, v - back) / 0.12f)) * groove;
            const floats4 low = tooth(lower, m, u, v - m->lower_edge + m->sprite_height - m->sprite_edge);
            const floats4 up = tooth(upper, m, u, v - m->upper_edge + m->sprite_edge);
            const float light_low = 0.70f + 0.25f * fminf(1.0f, under_lip / 0.25f);
            uint8_t *pixel = target + 4 * column;
            for (int c = 0; c < 3; c++) {
                float value = m->cavity[c] * deep;
                value += on_tongue * (m->tongue[c] * relief - value);
                value += 0.95f * m->teeth * low[3] * (low[c] * light_low - value);
                value += m->teeth * up[3] * (up[c] - value);
                value *= c ? shadow : 1.0f - 0.85f * (1.0f - shadow);  // light that went through skin is red
                value += inner_lip * (m->lip[c] - value);
                value = clamp(value, 0.0f, 255.0f);
                const float before = pixel[c];
                pixel[c] = (uint8_t)(int)(before + alpha * (value - before) + 0.5f);
            }
        }
    }
}

// --- Python's side ---------------------------------------------------------------------------------------------------

typedef struct {
    const char *name;
    Py_buffer *buffer;
    Py_ssize_t bytes;
} Wanted;

// Whether each buffer has the length that the others and the numbers imply; else a ValueError says which has not.
static int fits(const Wanted *wanted, int count) {
    for (int i = 0; i < count; i++)
        if (wanted[i].buffer->len != wanted[i].bytes) {
            PyErr_Format(PyExc_ValueError, "%s must have %zd bytes, got %zd", wanted[i].name, wanted[i].bytes,
                         wanted[i].buffer->len);
            return 0;
        }
    return 1;
}

// Whether a window lies within a picture of side `size`; else a ValueError says so.
static int within(int size, int left, int top, Py_ssize_t width, Py_ssize_t height) {
    if (size >= 2 && size <= 2048 && left >= 0 && top >= 0 && width >= 0 && height >= 0 && left + width <= size &&
        top + height <= size)
        return 1;
    PyErr_Format(PyExc_ValueError,
                 "a window must lie in a picture of at most 2048 pixels, got %zd x %zd at (%d, %d) of %d", width,
                 height, left, top, size);
    return 0;
}

static int spans_fit(const int32_t *spans, int size) {
    for (int row = 0; row < size; row++)
        if (spans[2 * row] < 0 || spans[2 * row + 1] < spans[2 * row] || spans[2 * row + 1] > size) {
            PyErr_SetString(PyExc_ValueError, "spans must be first and last columns of the picture");
            return 0;
        }
    return 1;
}

static PyObject *released(Py_buffer *buffers, int count, int done) {
    for (int i = 0; i < count; i++) PyBuffer_Release(&buffers[i]);
    if (!done) return NULL;
    Py_RETURN_NONE;
}

static PyObject *py_place(PyObject *self, PyObject *args) {
    (void)self;
    Py_buffer b[6];
    Motion motion;
    if (!PyArg_ParseTuple(args, "y*y*y*y*dddw*w*", &b[0], &b[1], &b[2], &b[3], &motion.x, &motion.y, &motion.breath,
                          &b[4], &b[5]))
        return NULL;
    const Py_ssize_t count = b[0].len / 24;
    const Wanted wanted[] = {{"points", &b[0], 24 * count},
                             {"shares", &b[1], (Py_ssize_t)sizeof(Share) * count},
                             {"head", &b[2], (Py_ssize_t)sizeof(Head)},
                             {"turn", &b[3], (Py_ssize_t)sizeof motion.turn},
                             {"vertices", &b[4], (Py_ssize_t)sizeof(Vertex) * count},
                             {"depths", &b[5], 4 * count}};
    const int good = fits(wanted, 6);
    double longest = 0;
    if (good) {
        memcpy(motion.turn, b[3].buf, sizeof motion.turn);
        longest = place(b[0].buf, (long)count, b[1].buf, b[2].buf, &motion, b[4].buf, b[5].buf);
    }
    for (int i = 0; i < 6; i++) PyBuffer_Release(&b[i]);
    return good ? PyFloat_FromDouble(longest) : NULL;
}

static int name_vertices(const Triangles *triangles, Py_ssize_t vertices) {
    for (Py_ssize_t i = 0; i < 3 * (Py_ssize_t)triangles->count; i++)
        if (triangles->corners[i] < 0 || triangles->corners[i] >= vertices) {
            PyErr_Format(PyExc_ValueError, "triangles must name vertices 0 to %zd, got %d", vertices - 1,
                         (int)triangles->corners[i]);
            return 0;
        }
    return 1;
}

static PyObject *py_draw_map(PyObject *self, PyObject *args) {
    (void)self;
    Py_buffer b[5];
    int size;
    unsigned int nowhere;
    if (!PyArg_ParseTuple(args, "y*y*y*y*Iw*i", &b[0], &b[1], &b[2], &b[3], &nowhere, &b[4], &size)) return NULL;
    const Triangles outside = {b[0].buf, (int32_t)(b[0].len / 12)}, face = {b[1].buf, (int32_t)(b[1].len / 12)};
    const Py_ssize_t vertices = b[2].len / (Py_ssize_t)sizeof(Vertex);
    const Wanted wanted[] = {{"outside", &b[0], 12 * (Py_ssize_t)outside.count},
                             {"face", &b[1], 12 * (Py_ssize_t)face.count},
                             {"vertices", &b[2], (Py_ssize_t)sizeof(Vertex) * vertices},
                             {"depths", &b[3], 4 * vertices},
                             {"map", &b[4], 4 * (Py_ssize_t)size * size}};
    int good = within(size, 0, 0, size, size) && fits(wanted, 5) && name_vertices(&outside, vertices) &&
               name_vertices(&face, vertices);
    if (good) {
        Py_BEGIN_ALLOW_THREADS good = draw_map(&outside, &face, b[2].buf, b[3].buf, nowhere, b[4].buf, size);
        Py_END_ALLOW_THREADS if (!good) PyErr_NoMemory();
    }
    return released(b, 5, good);
}

static PyObject *py_bend(PyObject *self, PyObject *args) {
    (void)self;
    Py_buffer b[4];
    int size;
    if (!PyArg_ParseTuple(args, "y*y*y*w*i", &b[0], &b[1], &b[2], &b[3], &size)) return NULL;
    const Py_ssize_t picture = 4 * (Py_ssize_t)size * size;
    const Wanted wanted[] = {{"texture", &b[0], picture},
                             {"map", &b[1], picture},
                             {"spans", &b[2], 8 * (Py_ssize_t)size},
                             {"out", &b[3], picture}};
    const int good = within(size, 0, 0, size, size) && fits(wanted, 4) && spans_fit(b[2].buf, size);
    if (good) {
        Py_BEGIN_ALLOW_THREADS bend(b[0].buf, b[1].buf, b[2].buf, b[3].buf, size);
        Py_END_ALLOW_THREADS
    }
    return released(b, 4, good);
}

static PyObject *py_soften(PyObject *self, PyObject *args) {
    (void)self;
    Py_buffer b[3];
    int size, skin;
    if (!PyArg_ParseTuple(args, "w*y*y*ii", &b[0], &b[1], &b[2], &skin, &size)) return NULL;
    const Py_ssize_t picture = 4 * (Py_ssize_t)size * size;
    const Py_ssize_t vertices = most(skin, b[2].len / (Py_ssize_t)sizeof(Vertex)) * (Py_ssize_t)sizeof(Vertex);
    const Wanted wanted[] = {{"person", &b[0], picture}, {"map", &b[1], picture}, {"vertices", &b[2], vertices}};
    const int good = within(size, 0, 0, size, size) && fits(wanted, 3);
    if (good) {
        Py_BEGIN_ALLOW_THREADS soften(b[0].buf, b[1].buf, b[2].buf, skin, size);
        Py_END_ALLOW_THREADS
    }
    return released(b, 3, good);
}

static PyObject *py_lay_over(PyObject *self, PyObject *args) {
    (void)self;
    Py_buffer b[5];
    int size;
    if (!PyArg_ParseTuple(args, "y*y*y*y*w*i", &b[0], &b[1], &b[2], &b[3], &b[4], &size)) return NULL;
    const Py_ssize_t pixels = (Py_ssize_t)size * size;
    const Wanted wanted[] = {{"person", &b[0], 4 * pixels},
                             {"plate", &b[1], 4 * pixels},
                             {"bare", &b[2], 3 * pixels},
                             {"spans", &b[3], 8 * (Py_ssize_t)size},
                             {"out", &b[4], 3 * pixels}};
    const int good = within(size, 0, 0, size, size) && fits(wanted, 5) && spans_fit(b[3].buf, size);
    if (good) {
        Py_BEGIN_ALLOW_THREADS lay_over(b[0].buf, b[1].buf, b[2].buf, b[3].buf, b[4].buf, size);
        Py_END_ALLOW_THREADS
    }
    return released(b, 5, good);
}

static PyObject *py_shade_fold(PyObject *self, PyObject *args) {
    (void)self;
    Py_buffer b[3];
    int size, left, top, height, width;
    float strength;
    if (!PyArg_ParseTuple(args, "w*iiiy*y*iif", &b[0], &size, &left, &top, &b[1], &b[2], &height, &width, &strength))
        return NULL;
    const Py_ssize_t pixels = (Py_ssize_t)height * width;
    const Wanted wanted[] = {
        {"texture", &b[0], 4 * (Py_ssize_t)size * size}, {"skin", &b[1], 12 * pixels}, {"shade", &b[2], 4 * pixels}};
    const int good = within(size, left, top, width, height) && fits(wanted, 3);
    if (good) {
        uint8_t *target = (uint8_t *)b[0].buf + 4 * ((size_t)top * size + left);
        Py_BEGIN_ALLOW_THREADS shade_fold(target, size, b[1].buf, b[2].buf, strength, height, width);
        Py_END_ALLOW_THREADS
    }
    return released(b, 3, good);
}

static PyObject *py_paint_eye(PyObject *self, PyObject *args) {
    (void)self;
    Py_buffer b[9];
    int size, left, top, height, width;
    float lash, gaze_side, gaze_down, lower_lid_share;
    Look look;
    if (!PyArg_ParseTuple(args, "w*iiiy*y*y*y*y*y*y*y*iiffffffff", &b[0], &size, &left, &top, &b[1], &b[2], &b[3],
                          &b[4], &b[5], &b[6], &b[7], &b[8], &height, &width, &lash, &gaze_side, &gaze_down,
                          &lower_lid_share, &look.blink, &look.gaze_x, &look.gaze_y, &look.smile))
        return NULL;
    const Py_ssize_t pixels = (Py_ssize_t)height * width;
    const Wanted wanted[] = {{"texture", &b[0], 4 * (Py_ssize_t)size * size},
                             {"open", &b[1], 12 * pixels},
                             {"shut", &b[2], 12 * pixels},
                             {"socket", &b[3], 4 * pixels},
                             {"white", &b[4], 12 * pixels},
                             {"iris", &b[5], 16 * pixels},
                             {"lashes", &b[6], 12 * (Py_ssize_t)width},
                             {"upper", &b[7], 4 * (Py_ssize_t)width},
                             {"lower", &b[8], 4 * (Py_ssize_t)width}};
    int good = within(size, left, top, width, height) && fits(wanted, 9);
    if (good && (width > WIDEST_EYE || width < 2 || height < 2)) {
        PyErr_Format(PyExc_ValueError, "an eye must be 2 to %d pixels wide, got %d x %d", WIDEST_EYE, width, height);
        good = 0;
    }
    if (good) {
        const Eye eye = {b[1].buf, b[2].buf, b[3].buf, b[4].buf, b[5].buf,  b[6].buf,  b[7].buf,
                         b[8].buf, height,   width,    lash,     gaze_side, gaze_down, lower_lid_share};
        uint8_t *target = (uint8_t *)b[0].buf + 4 * ((size_t)top * size + left);
        Py_BEGIN_ALLOW_THREADS paint_eye(target, size, &eye, &look);
        Py_END_ALLOW_THREADS
    }
    return released(b, 9, good);
}

static PyObject *py_fill_mouth(PyObject *self, PyObject *args) {
    (void)self;
    Py_buffer b[11];
    int size, left, top;
    Mouth m;
    Teeth upper, lower;
    if (!PyArg_ParseTuple(args, "w*iiiy*y*y*iiy*y*y*y*y*y*iiy*iiffffffffff", &b[0], &size, &left, &top, &b[1], &b[2],
                          &b[3], &m.height, &m.width, &b[4], &b[5], &b[6], &b[7], &b[8], &b[9], &upper.height,
                          &upper.width, &b[10], &lower.height, &lower.width, &m.upper_edge, &m.lower_edge, &m.teeth,
                          &m.presence, &m.unit, &m.tooth_width, &m.sprite_scale, &m.sprite_half_width, &m.sprite_height,
                          &m.sprite_edge))
        return NULL;
    const Wanted wanted[] = {{"person", &b[0], 4 * (Py_ssize_t)size * size},
                             {"mask", &b[1], (Py_ssize_t)m.height * m.width},
                             {"top", &b[2], 4 * (Py_ssize_t)m.width},
                             {"bottom", &b[3], 4 * (Py_ssize_t)m.width},
                             {"inverse", &b[4], 16},
                             {"shift", &b[5], 8},
                             {"cavity", &b[6], 12},
                             {"tongue", &b[7], 12},
                             {"lip", &b[8], 12},
                             {"upper", &b[9], 16 * (Py_ssize_t)upper.height * upper.width},
                             {"lower", &b[10], 16 * (Py_ssize_t)lower.height * lower.width}};
    int good = within(size, left, top, m.width, m.height) && fits(wanted, 11);
    if (good && (upper.height < 2 || upper.width < 2 || lower.height < 2 || lower.width < 2 || m.width < 2)) {
        PyErr_SetString(PyExc_ValueError, "pictures of teeth and mouth must be at least two pixels wide");
        good = 0;
    }
    if (good) {
        m.mask = b[1].buf, m.top = b[2].buf, m.bottom = b[3].buf, m.inverse = b[4].buf, m.shift = b[5].buf;
        m.cavity = b[6].buf, m.tongue = b[7].buf, m.lip = b[8].buf, upper.picture = b[9].buf, lower.picture = b[10].buf;
        uint8_t *target = (uint8_t *)b[0].buf + 4 * ((size_t)top * size + left);
        Py_BEGIN_ALLOW_THREADS fill_mouth(target, size, &m, &upper, &lower);
        Py_END_ALLOW_THREADS
    }
    return released(b, 11, good);
}

static PyMethodDef methods[] = {
    {"place", py_place, METH_VARARGS, "Turn, move and project points of a head."},
    {"draw_map", py_draw_map, METH_VARARGS, "Write the backward map of a mesh."},
    {"bend", py_bend, METH_VARARGS, "Sample a texture through a backward map."},
    {"soften", py_soften, METH_VARARGS, "Mix neighbours at edges in depth."},
    {"lay_over", py_lay_over, METH_VARARGS, "Lay the person over the plate."},
    {"shade_fold", py_shade_fold, METH_VARARGS, "Paint a fold of the skin."},
    {"paint_eye", py_paint_eye, METH_VARARGS, "Paint an eye."},
    {"fill_mouth", py_fill_mouth, METH_VARARGS, "Paint the inside of the mouth."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_drawing", "What touches every pixel of a frame.", 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__drawing(void) { return PyModuleDef_Init(&module); }
