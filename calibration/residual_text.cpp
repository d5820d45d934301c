// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/residual_text.hpp"

#include <algorithm>

#include "calibration/number_list.hpp"
#include "calibration/residual_features.hpp"
#include "core/error.hpp"

namespace moecal::calibration {
namespace {

constexpr std::size_t kMostLevels = 8;
constexpr std::size_t kMostBorders = 255;

std::string tree_line(const SymmetricTree& tree) {
  auto numbers = tree.features;
  numbers.insert(numbers.end(), tree.borders.begin(), tree.borders.end());
  numbers.insert(numbers.end(), tree.leaves.begin(), tree.leaves.end());
  return to_line(numbers);
}

/// The levels of a tree whose line has `count` numbers: 2 levels + 2^levels; 0: no such tree.
std::size_t levels_of(std::size_t count) {
  for (std::size_t levels = 1; levels <= kMostLevels; ++levels)
    if (2 * levels + (std::size_t{1} << levels) == count) return levels;
  return 0;
}

class Reader {
 public:
  Reader(const ResidualText& text, const FailField& fail) : text_{text}, fail_{fail} {}

  Residual read() {
    Residual residual;
    residual.kind = text_.kind;
    residual.features = text_.features;
    residual.multiprocessors = text_.multiprocessors;
    const auto& set = set_of(text_.features);
    read_gate(set, residual.gate);
    if (text_.kind == kSymmetricTrees)
      read_trees(set, residual.trees);
    else if (text_.kind == kRadialBasis)
      read_basis(set, residual);
    else
      fail("kind", "is '" + text_.kind + "'; known: " + kSymmetricTrees + ", " + kRadialBasis);
    return residual;
  }

 private:
  [[noreturn]] void fail(const std::string& field, const std::string& problem) const {
    fail_(field, problem);
    throw InvalidInput{field + " " + problem};
  }

  const FeatureSet& set_of(const std::string& name) const {
    try {
      return feature_set(name);
    } catch (const InvalidInput& error) {
      fail("features", std::string{"is wrong: "} + error.what());
    }
  }

  std::vector<double> numbers(const std::string& field, const std::string& line) const {
    auto read = numbers_of(line);
    if (!read) fail(field, "holds a line that is not numbers separated by single spaces");
    return *std::move(read);
  }

  void read_gate(const FeatureSet& set, ResidualGate& gate) const {
    gate.reach = text_.reach;
    if (!(gate.reach > 0)) fail("gate.reach", "is not positive");
    for (const auto& line : text_.centres) {
      gate.centres.push_back(numbers("gate.centres", line));
      if (gate.centres.back().size() != set.coordinates)
        fail("gate.centres", "holds a place with " + std::to_string(gate.centres.back().size()) +
                                 " coordinates instead of " + std::to_string(set.coordinates));
    }
    if (gate.centres.empty()) fail("gate.centres", "is empty");
  }

  void read_trees(const FeatureSet& set, BoostedTrees& trees) const {
    if (text_.borders.size() != set.count)
      fail("borders", "has " + std::to_string(text_.borders.size()) + " features; " +
                          text_.features + " has " + std::to_string(set.count));
    for (const auto& line : text_.borders) {
      trees.borders.push_back(numbers("borders", line));
      if (trees.borders.back().size() > kMostBorders ||
          !std::is_sorted(trees.borders.back().begin(), trees.borders.back().end()))
        fail("borders", "are more than 255 of one feature, or not ascending");
    }
    for (const auto& line : text_.trees) trees.trees.push_back(read_tree(trees, line));
  }

  SymmetricTree read_tree(const BoostedTrees& trees, const std::string& line) const {
    const auto all = whole_numbers_of(line);
    const auto levels = static_cast<std::ptrdiff_t>(all ? levels_of(all->size()) : 0);
    if (levels == 0) fail("trees", "holds a line that is not one symmetric tree");
    const auto features = all->begin(), borders = features + levels, leaves = borders + levels;
    SymmetricTree tree{{features, borders}, {borders, leaves}, {leaves, all->end()}};
    for (std::size_t i = 0; i < tree.features.size(); ++i) {
      const auto feature = static_cast<std::size_t>(tree.features[i]);
      if (tree.features[i] < 0 || feature >= trees.borders.size() || tree.borders[i] < 0 ||
          static_cast<std::size_t>(tree.borders[i]) >= trees.borders[feature].size())
        fail("trees", "holds a tree that asks about a border that does not exist");
    }
    return tree;
  }

  void read_basis(const FeatureSet& set, Residual& residual) const {
    residual.basis = {text_.lengths, text_.noise, numbers("weights", text_.weights)};
    if (residual.basis.lengths.size() != set.coordinates)
      fail("lengths",
           "has not one length for each of " + std::to_string(set.coordinates) + " coordinates");
    for (const double length : residual.basis.lengths)
      if (!(length > 0)) fail("lengths", "holds a length that is not positive");
    if (residual.basis.weights.size() != residual.gate.centres.size())
      fail("weights", "has not one weight for each centre");
  }

  const ResidualText& text_;
  const FailField& fail_;
};

}  // namespace

ResidualText to_text(const Residual& residual) {
  ResidualText text;
  text.kind = residual.kind;
  text.features = residual.features;
  text.multiprocessors = residual.multiprocessors;
  for (const auto& borders : residual.trees.borders) text.borders.push_back(to_line(borders));
  for (const auto& tree : residual.trees.trees) text.trees.push_back(tree_line(tree));
  text.lengths = residual.basis.lengths;
  text.noise = residual.basis.noise;
  text.weights = to_line(residual.basis.weights);
  text.reach = residual.gate.reach;
  for (const auto& centre : residual.gate.centres) text.centres.push_back(to_line(centre));
  return text;
}

Residual residual_of(const ResidualText& text, const FailField& fail) {
  return Reader{text, fail}.read();
}

}  // namespace moecal::calibration
