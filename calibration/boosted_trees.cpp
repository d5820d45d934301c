// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/boosted_trees.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "calibration/twister.hpp"

namespace moecal::calibration {
namespace {

using Bins = std::vector<std::vector<std::uint8_t>>;  // by feature, then row

/// Rows that a tree is asked about together. Always as many: loops of a fixed length have no rest.
constexpr std::size_t kBlock = 256;
using Leaves = std::array<std::uint8_t, kBlock>;

/// Sets the bit of those rows whose bin lies above the border. A function of its own, so that the
/// compiler makes of it 16 comparisons of 16 bytes; among the levels it would take two levels at
/// once, row by row, with a branch that nobody can predict.
[[gnu::noinline]] void set_bit_above(const std::uint8_t* bins, std::uint8_t border,
                                     std::uint8_t bit, Leaves& leaves) {
  for (std::size_t i = 0; i < kBlock; ++i)
    leaves[i] = static_cast<std::uint8_t>(leaves[i] | (bins[i] > border ? bit : 0));
}

/// The leaf of each of kBlock rows, the first of them row `from`.
Leaves leaves_of(const SymmetricTree& tree, const Bins& bins, std::size_t from) {
  Leaves leaves{};
  for (std::size_t level = 0; level < tree.features.size(); ++level)
    set_bit_above(bins[static_cast<std::size_t>(tree.features[level])].data() + from,
                  static_cast<std::uint8_t>(tree.borders[level]),
                  static_cast<std::uint8_t>(1U << level), leaves);
  return leaves;
}

/// The leaf of one row. Of few rows each for itself costs less than their whole block.
std::size_t leaf_of(const SymmetricTree& tree, const Bins& bins, std::size_t row) {
  std::size_t leaf = 0;
  for (std::size_t level = 0; level < tree.features.size(); ++level) {
    const auto bin = bins[static_cast<std::size_t>(tree.features[level])][row];
    leaf |= static_cast<std::size_t>(bin > static_cast<std::uint8_t>(tree.borders[level])) << level;
  }
  return leaf;
}
constexpr std::size_t kFewRows = 8;

/// Between neighbouring values, or where there are too many between equal shares of the rows.
std::vector<double> borders_of(std::vector<double> values, int most) {
  std::sort(values.begin(), values.end());
  std::vector<double> distinct = values;
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  std::vector<double> borders;
  // Short numbers: a border between two values need not be exact, only the same in the file.
  const auto between = [&](auto above) {
    borders.push_back(static_cast<double>(static_cast<float>(0.5 * (*(above - 1) + *above))));
  };
  if (distinct.size() <= static_cast<std::size_t>(most) + 1) {
    for (auto it = distinct.begin() + 1; it < distinct.end(); ++it) between(it);
    return borders;
  }
  for (int i = 1; i <= most; ++i) {
    const double cut =
        values[values.size() * static_cast<std::size_t>(i) / (static_cast<std::size_t>(most) + 1)];
    const auto above = std::upper_bound(distinct.begin(), distinct.end(), cut);
    if (above == distinct.end()) break;
    between(above);
    if (borders.size() > 1 && borders.back() == borders[borders.size() - 2]) borders.pop_back();
  }
  return borders;
}

/// Borders at or below the value. Written without a branch: which half comes next is not
/// predictable.
std::uint8_t bin_of(const std::vector<double>& borders, double value) {
  if (borders.empty()) return 0;
  const double* from = borders.data();
  std::size_t left = borders.size();
  while (left > 1) {
    const std::size_t half = left / 2;
    from += from[half - 1] <= value ? half : 0;
    left -= half;
  }
  return static_cast<std::uint8_t>(from - borders.data() + (*from <= value ? 1 : 0));
}

/// Of whole blocks: what is past the last row is bin 0.
Bins bins_of(const std::vector<std::vector<double>>& borders, const FeatureColumns& columns) {
  Bins bins(columns.size());
  for (std::size_t f = 0; f < columns.size(); ++f) {
    for (const double value : columns[f]) bins[f].push_back(bin_of(borders[f], value));
    bins[f].resize((columns[f].size() + kBlock - 1) / kBlock * kBlock);
  }
  return bins;
}

/// Gradient above, weight below, both whole numbers: one addition adds both.
using Pair = std::int64_t;
constexpr int kWeightBits = 32;
constexpr std::size_t kMostBins = 256;

// Both halves fit 32 bits, which two at once become doubles.
double gradient(Pair p) { return static_cast<std::int32_t>(p >> kWeightBits); }
double weight(Pair p) { return static_cast<std::int32_t>(p); }

/// Grows one boosted sum.
class Booster {
 public:
  Booster(const FeatureColumns& columns, std::span<const double> targets,
          const BoostingOptions& options)
      : options_{options}, residuals_(targets.begin(), targets.end()), random_{options.seed} {
    for (const auto& column : columns)
      model_.borders.push_back(borders_of(column, options.most_borders));
    bins_ = bins_of(model_.borders, columns);
    for (std::size_t f = 0; f < columns.size(); ++f)
      if (!model_.borders[f].empty()) usable_.push_back(static_cast<int>(f));
    // The weights of all rows must fit the lower half of a Pair.
    unit_ = std::ldexp(1.0, 30 - static_cast<int>(std::bit_width(residuals_.size())));
  }

  BoostedTrees grow() {
    if (usable_.empty() || residuals_.empty()) return model_;
    for (int i = 0; i < options_.trees; ++i) add_tree();
    return model_;
  }

 private:
  void add_tree() {
    draw_rows();
    draw_features();
    SymmetricTree tree;
    leaf_of_.assign(rows_.size(), 0);
    for (int level = 0; level < options_.levels; ++level) split(tree, level);
    set_leaves(tree);
    model_.trees.push_back(std::move(tree));
  }

  /// Weighted residuals of a share of the rows: iteratively reweighted squares stand in for L1.
  void draw_rows() {
    const auto threshold = static_cast<std::uint64_t>(options_.row_share * 18446744073709549568.0);
    rows_.resize(residuals_.size());
    std::size_t drawn = 0;
    for (std::size_t row = 0; row < residuals_.size(); ++row) {
      rows_[drawn] = static_cast<std::uint32_t>(row);
      drawn += options_.row_share < 1 && random_() > threshold ? 0 : 1;
    }
    rows_.resize(drawn);
    pairs_.resize(drawn);
    for (std::size_t i = 0; i < drawn; ++i) pairs_[i] = pair_of(residuals_[rows_[i]]);
  }

  [[nodiscard]] Pair pair_of(double residual) const {
    const double scaled = residual / options_.loss_scale;
    const double w = 1 / std::sqrt(scaled * scaled + 1);
    return (rounded(unit_ * w * scaled) << kWeightBits) + rounded(unit_ * w);
  }

  /// Ties go to the even neighbour, as std::llrint() has it: past 2^52 doubles are whole numbers.
  /// Of what is less than 2^51.
  static Pair rounded(double x) {
    constexpr double kPast = 6755399441055744.0;  // 2^52 + 2^51
    return static_cast<Pair>((x + kPast) - kPast);
  }

  void draw_features() {
    features_ = usable_;
    const auto count = std::max<std::size_t>(
        1, static_cast<std::size_t>(options_.feature_share * static_cast<double>(usable_.size())));
    for (std::size_t i = 0; i < count; ++i)
      std::swap(features_[i], features_[i + random_() % (features_.size() - i)]);
    features_.resize(count);
    histograms_.resize(count);
    std::sort(features_.begin(), features_.end());
    bins_of_rows_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto* bin = bins_[static_cast<std::size_t>(features_[i])].data();
      bins_of_rows_[i].resize(rows_.size());
      for (std::size_t row = 0; row < rows_.size(); ++row) bins_of_rows_[i][row] = bin[rows_[row]];
    }
  }

  /// The border that explains most, over all leaves of this level at once.
  void split(SymmetricTree& tree, int level) {
    const std::size_t leaves = std::size_t{1} << level;
    if (level > 0) gather_fewer(leaves / 2);
    double best = -1;
    std::size_t best_feature = 0;
    int best_border = 0;
    for (std::size_t i = 0; i < features_.size(); ++i) {
      const auto f = static_cast<std::size_t>(features_[i]);
      const std::size_t bins = model_.borders[f].size() + 1;
      level == 0 ? start_histogram(i, bins) : refine_histogram(i, bins, leaves / 2);
      for_each_gain(histograms_[i], {leaves, bins}, [&](int border, double gain) {
        if (gain <= best) return;
        best = gain;
        best_feature = i;
        best_border = border;
      });
    }
    tree.features.push_back(features_[best_feature]);
    tree.borders.push_back(best_border);
    part_rows(bins_of_rows_[best_feature], best_border, level);
  }

  /// Marks which rows lie above the border, and lists those of either side: without a branch, for
  /// which side comes next is not predictable.
  void part_rows(const std::vector<std::uint8_t>& bins, int border, int level) {
    above_.resize(rows_.size());
    below_.resize(rows_.size());
    std::size_t count_above = 0;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const unsigned above = bins[i] > border ? 1 : 0;
      leaf_of_[i] |= static_cast<std::uint16_t>(above << level);
      above_[count_above] = below_[i - count_above] = static_cast<std::uint32_t>(i);
      count_above += above;
    }
    above_.resize(count_above);
    below_.resize(rows_.size() - count_above);
  }

  /// Of the side of the last split with fewer rows: what all features add up.
  void gather_fewer(std::size_t parents) {
    fewer_above_ = above_.size() <= below_.size();
    fewer_.clear();
    for (const auto row : fewer_above_ ? above_ : below_)
      fewer_.push_back(
          {pairs_[row], row, static_cast<std::uint32_t>(leaf_of_[row] & (parents - 1))});
  }

  /// Histograms are of the bins up to each one.
  static void add_up(std::span<Pair> counts) {
    Pair sum = 0;
    for (auto& count : counts) count = sum += count;
  }

  /// Neighbouring rows are often of one bin: they take turns at four sums, so that one addition
  /// need not wait for the other.
  void start_histogram(std::size_t i, std::size_t bins) {
    auto& histogram = histograms_[i];
    histogram.assign(bins << (options_.levels - 1), 0);
    std::array<std::array<Pair, kMostBins>, 4> parts;
    for (auto& part : parts) std::fill_n(part.begin(), bins, 0);
    const auto& bin = bins_of_rows_[i];
    for (std::size_t row = 0; row < bin.size(); ++row) parts[row % 4][bin[row]] += pairs_[row];
    for (std::size_t b = 0; b < bins; ++b)
      histogram[b] = parts[0][b] + parts[1][b] + parts[2][b] + parts[3][b];
    add_up({histogram.data(), bins});
  }

  /// From the histogram of the leaves before a split to that of both halves of each: only the side
  /// with fewer rows is added up, the other is what is left. Whole numbers: nothing is rounded.
  void refine_histogram(std::size_t i, std::size_t bins, std::size_t parents) {
    auto& histogram = histograms_[i];
    const std::size_t half = parents * bins;
    Pair *const before = histogram.data(), *const added = before + half;
    std::fill(added, added + half, 0);
    const auto* bin = bins_of_rows_[i].data();
    for (const auto& [pair, row, leaf] : fewer_) added[leaf * bins + bin[row]] += pair;
    for (std::size_t leaf = 0; leaf < parents; ++leaf) add_up({added + leaf * bins, bins});
    for (std::size_t b = 0; b < half; ++b) {
      const Pair few = added[b], many = before[b] - few;
      before[b] = fewer_above_ ? many : few;
      added[b] = fewer_above_ ? few : many;
    }
  }

  struct HistogramShape {
    std::size_t leaves, bins;
  };

  template <typename Take>
  void for_each_gain(const std::vector<Pair>& histogram, HistogramShape shape, const Take& take) {
    gains_.assign(kMostBins, 0);
    for (std::size_t leaf = 0; leaf < shape.leaves; ++leaf)
      add_gains({&histogram[leaf * shape.bins], shape.bins});
    for (std::size_t b = 0; b + 1 < shape.bins; ++b) take(static_cast<int>(b), gains_[b]);
  }

  /// What each border would explain of one leaf.
  void add_gains(std::span<const Pair> below) {
    if (below.back() == 0) return;
    std::array<double, kMostBins> gradients, weights;
    for (std::size_t b = 0; b < below.size(); ++b) {
      gradients[b] = gradient(below[b]);
      weights[b] = weight(below[b]);
    }
    const double g = gradients[below.size() - 1], w = weights[below.size() - 1];
    const double prior = options_.leaf_prior * unit_;
    double* const gains = gains_.data();
    for (std::size_t b = 0; b + 1 < below.size(); ++b) {
      const double above = g - gradients[b];
      gains[b] += gradients[b] * gradients[b] / (weights[b] + prior) +
                  above * above / (w - weights[b] + prior);
    }
  }

  void set_leaves(SymmetricTree& tree) {
    std::vector<Pair> sums(std::size_t{1} << options_.levels, 0);
    for (std::size_t i = 0; i < rows_.size(); ++i) sums[leaf_of_[i]] += pairs_[i];
    for (const Pair sum : sums) {
      const double step = options_.rate * options_.loss_scale * gradient(sum) /
                          (weight(sum) + options_.leaf_prior * unit_);
      tree.leaves.push_back(static_cast<int>(std::lround(step / kLeafUnit)));
    }
    for (std::size_t from = 0; from < residuals_.size(); from += kBlock) {
      const auto leaves = leaves_of(tree, bins_, from);
      const std::size_t count = std::min(kBlock, residuals_.size() - from);
      for (std::size_t i = 0; i < count; ++i)
        residuals_[from + i] -= kLeafUnit * tree.leaves[leaves[i]];
    }
  }

  const BoostingOptions& options_;
  BoostedTrees model_;
  Bins bins_;
  std::vector<double> residuals_;
  Twister random_;
  double unit_ = 1;
  std::vector<int> usable_, features_;
  std::vector<std::uint32_t> rows_;  // that this tree is grown on
  std::vector<Pair> pairs_;          // of these rows, and what follows too
  std::vector<std::uint16_t> leaf_of_;
  std::vector<std::uint32_t> above_, below_;  // indices into rows_, by the side of the last split
  std::vector<std::vector<std::uint8_t>> bins_of_rows_;  // of each of features_, of the drawn rows
  struct FewerRow {
    Pair pair;
    std::uint32_t row, leaf;  // index into rows_; the leaf before the split
  };
  std::vector<FewerRow> fewer_;
  bool fewer_above_ = false;
  std::vector<std::vector<Pair>> histograms_;  // of each of features_: by leaf, then bin
  std::vector<double> gains_;
};

}  // namespace

BoostedTrees fit_boosted_trees(const FeatureColumns& columns, std::span<const double> targets,
                               const BoostingOptions& options) {
  return Booster{columns, targets, options}.grow();
}

std::vector<double> evaluate(const BoostedTrees& trees, const FeatureColumns& columns) {
  const std::size_t rows = columns.empty() ? 0 : columns.front().size();
  std::vector<double> values(rows, 0);
  Bins bins(columns.size(), std::vector<std::uint8_t>(rows <= kFewRows ? rows : kBlock));
  for (std::size_t from = 0; from < rows; from += kBlock) {
    const std::size_t count = std::min(kBlock, rows - from);
    for (std::size_t f = 0; f < columns.size(); ++f)
      for (std::size_t i = 0; i < count; ++i)
        bins[f][i] = bin_of(trees.borders[f], columns[f][from + i]);
    std::array<int, kBlock> sums{};
    for (const auto& tree : trees.trees) {
      if (count <= kFewRows) {
        for (std::size_t i = 0; i < count; ++i) sums[i] += tree.leaves[leaf_of(tree, bins, i)];
        continue;
      }
      const auto leaves = leaves_of(tree, bins, 0);
      for (std::size_t i = 0; i < kBlock; ++i) sums[i] += tree.leaves[leaves[i]];
    }
    for (std::size_t i = 0; i < count; ++i) values[from + i] = kLeafUnit * sums[i];
  }
  return values;
}

}  // namespace moecal::calibration
