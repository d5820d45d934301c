// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/units.hpp"

namespace moecal {

/// A nominal figure and where it was published. Absent figures are unknown: nothing is guessed.
template <class T>
struct Nominal {
  T value{};
  std::string source;    // URL or document
  bool verified = true;  // false: nobody who wrote it down could read the source again
};
template <class T>
using MaybeNominal = std::optional<Nominal<T>>;

/// A link class: NVLink, Infinity Fabric, PCIe, InfiniBand. Rates are of one device, one direction.
struct Link {
  std::string name;
  MaybeNominal<BytesPerSecond> rate;
  bool mesh = false;  // links go straight to each other device, and are split between them
};

/// What a result may exceed a nominal figure by: those are rounded, and clocks vary a little.
inline constexpr double kNominalTolerance = 1.02;
/// A working set so many times the last-level cache is read from memory.
inline constexpr double kOutOfCache = 4;

/// A peak, and of what: e.g. "bf16".
struct BoundingPeak {
  FlopsPerSecond rate;
  std::string of;
};

/// A GPU or CPU model with its nominal figures: one file of hardware/.
struct Card {
  std::string id;                    // b200-sxm: the word in records and options
  std::string name;                  // for people
  std::vector<std::string> aliases;  // other spellings and the driver's device names
  std::string
      device_class;  // cards of one class reach like shares of their figures; empty: unknown
  MaybeNominal<Bytes> memory;
  MaybeNominal<BytesPerSecond> memory_bandwidth;
  // Dense, by dtype of the operands; "tf32" is the other way to multiply those of f32.
  std::map<std::string, Nominal<FlopsPerSecond>> peak;
  Link link;  // between the devices of a node
  MaybeNominal<int> devices_per_node;
  Link nic;   // one device's share of the node's network
  Link pcie;  // to the host
  MaybeNominal<Bytes> last_level_cache;
  MaybeNominal<int> multiprocessors;  // streaming multiprocessors or compute units
  MaybeNominal<double> power_limit_watts;

  /// The dense peak for operands of this dtype (f16 and bf16 stand for each other, as do the FP8
  /// types), where it is known.
  [[nodiscard]] std::optional<FlopsPerSecond> dense_peak(const std::string& dtype) const;

  /// The peak that no product of such operands can pass, where it is known: of f32 that of tf32,
  /// for libraries multiply f32 so where they are allowed to, and few prints say it.
  [[nodiscard]] std::optional<BoundingPeak> bounding_peak(const std::string& dtype) const;

  /// What one device can send to the others of a group in its node, where that is known. A switch
  /// gives a group of any size the whole link; in a mesh the links to devices outside lie idle.
  [[nodiscard]] std::optional<BytesPerSecond> link_rate(int group) const;

  /// The figures given that could not be verified, as "key: value (source)".
  std::vector<std::string> unverified;
};

/// One spec sheet. @throws InvalidInput naming file and key.
[[nodiscard]] Card read_card(const std::string& path);

/// Every spec sheet of moecal's data folder, by id.
/// @throws InvalidInput naming file and key; also when two cards share a name.
[[nodiscard]] const std::vector<Card>& known_cards();

/// The card a person or a driver means: an id, an alias or a device name, whatever the case and
/// punctuation. `cpu-...` needs no spec sheet: a card of which no nominal figure is known.
/// @throws InvalidInput listing the known ids.
[[nodiscard]] Card find_card(const std::string& name);

}  // namespace moecal
