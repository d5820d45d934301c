// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>

#include "calibration/roofline.hpp"

namespace moecal::calibration {

/// A GEMM as a kernel library runs it: tiles of the result, dealt to S multiprocessors in waves,
/// the fastest of some tile shapes and splits of k:
///   t = t0 + || min over tm, tn in {64, 128, 256}, split in {1, 2, ... splits} of compute,
///               ((B + b0)/W) e2 ||_q + a m k / W
///   compute = waves (2 tm tn / (P/S) e1 + (tm + tn) e3 / (W/S)) (k/split + k0)
///             + 4 m n split / W e4, where split > 1
///   waves = v + f (ceil(w) - v) + u (r - m/tm), the last where r > 1
///   r = ceil(m/tm), w = r ceil(n/tn) split / S, v = max(1, w)
///   t0  s  launch                           b0  B  bytes' worth of a short call's memory time
///   e1, e2  1  inverse shares of P, W       q   1  sharpness of the corner between the two sides
///   e3  B  of memory bandwidth that one row or column of a tile costs, per element of k
///   k0  1  elements of k a tile's start and end cost
///   f   1  share of an unfilled last wave that is lost
///   u   1  tiles' worth of time that a wholly empty last row of tiles would add
///   e4  1  inverse share of W at which split sums are added up
///   a   B  of memory bandwidth that an element of the activations costs before the product starts:
///          libraries cast them to FP8 in a kernel of its own, and what is timed includes it
///   splits  1  most parts k is split in: 1 or 8, as the points have it; multiprocessors  1  S
/// P, W and S must be those of the card: without S there are no waves.
[[nodiscard]] Form tile_wave_form();

/// Points this form wants at least.
inline constexpr std::size_t kTileWavePoints = 16;

/// `from`, a fit to more points of the series, is where the search then starts, in the place of
/// several starts. @throws InvalidInput with fewer than kTileWavePoints points, or where
/// rates.multiprocessors is unknown.
[[nodiscard]] Model fit_tile_wave(std::span<const FitPoint> points, const ReferenceRates& rates,
                                  const Model* from = nullptr);

}  // namespace moecal::calibration
