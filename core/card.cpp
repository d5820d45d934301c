// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/card.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <set>

#include "core/data_dir.hpp"
#include "core/dtype.hpp"
#include "core/environment.hpp"
#include "core/error.hpp"

namespace moecal {
namespace {

/// Reads the keys of one table and remembers which were asked for: a key nobody reads is a misspelt
/// one.
class TableReader {
 public:
  /// Names of figures that are not verified are added to `unverified`.
  TableReader(const toml::table& table, std::string file, std::string prefix,
              std::vector<std::string>* unverified)
      : table_{table},
        file_{std::move(file)},
        prefix_{std::move(prefix)},
        unverified_{unverified} {}

  [[nodiscard]] std::string text(const std::string& key) {
    const auto* node = find(key);
    const auto value = node == nullptr ? std::nullopt : node->value<std::string>();
    if (!value || value->empty()) fail(key, "must be a text that is not empty");
    return *value;
  }

  [[nodiscard]] std::vector<std::string> texts(const std::string& key) {
    const auto* node = find(key);
    const auto* array = node == nullptr ? nullptr : node->as_array();
    if (array == nullptr) fail(key, "must be an array of texts");
    std::vector<std::string> result;
    for (const auto& element : *array) {
      const auto value = element.value<std::string>();
      if (!value) fail(key, "must be an array of texts");
      result.push_back(*value);
    }
    return result;
  }

  /// {value = a positive number, source = "..."}; absent: unknown.
  template <class T>
  [[nodiscard]] MaybeNominal<T> nominal(const std::string& key) {
    const auto* node = find(key);
    if (node == nullptr) return std::nullopt;
    if (!node->is_table()) fail(key, "must be a table {value = ..., source = \"...\"}");
    TableReader figure{*node->as_table(), file_, prefix_ + key + ".", unverified_};
    const auto* value_node = figure.find("value");
    const auto value = value_node == nullptr ? std::nullopt : value_node->value<double>();
    if (!value || !(*value > 0) || !std::isfinite(*value))
      figure.fail("value", "must be a number above zero");
    Nominal<T> result{static_cast<T>(*value), figure.text("source"), figure.flag("verified", true)};
    figure.refuse_unknown();
    if (!result.verified) unverified_->push_back(prefix_ + key + " (" + result.source + ")");
    return result;
  }

  /// true or false; absent: the fallback.
  [[nodiscard]] bool flag(const std::string& key, bool fallback) {
    const auto* node = find(key);
    if (node == nullptr) return fallback;
    const auto value = node->value<bool>();
    if (!node->is_boolean() || !value) fail(key, "must be true or false");
    return *value;
  }

  [[nodiscard]] bool has(const std::string& key) { return find(key) != nullptr; }

  /// A nested table; absent: empty.
  [[nodiscard]] TableReader table(const std::string& key) {
    static const toml::table kEmpty;
    const auto* node = find(key);
    if (node != nullptr && !node->is_table()) fail(key, "must be a table");
    return {node == nullptr ? kEmpty : *node->as_table(), file_, prefix_ + key + ".", unverified_};
  }

  [[nodiscard]] std::vector<std::string> keys() const {
    std::vector<std::string> result;
    for (const auto& [key, node] : table_) result.emplace_back(key.str());
    return result;
  }

  void refuse_unknown() const {
    for (const auto& key : keys())
      if (!read_.contains(key)) fail(key, "is not a key of a spec sheet; is it misspelt?");
  }

  [[noreturn]] void fail(const std::string& key, const std::string& problem) const {
    throw InvalidInput{file_ + ": key '" + prefix_ + key + "' " + problem};
  }

 private:
  [[nodiscard]] const toml::node* find(const std::string& key) {
    read_.insert(key);
    return table_.get(key);
  }

  const toml::table& table_;
  std::string file_;
  std::string prefix_;
  std::vector<std::string>* unverified_;
  std::set<std::string> read_;
};

Link read_link(TableReader table) {
  Link link;
  if (table.keys().empty()) return link;
  link.name = table.text("name");
  link.rate = table.nominal<BytesPerSecond>("bytes_per_second_per_direction");
  link.mesh = table.flag("mesh", false);
  table.refuse_unknown();
  return link;
}

std::map<std::string, Nominal<FlopsPerSecond>> read_peaks(TableReader table) {
  std::map<std::string, Nominal<FlopsPerSecond>> peaks;
  for (const auto& dtype : table.keys()) {
    try {
      if (dtype != "tf32") (void)parse_dtype(dtype);
    } catch (const InvalidInput& error) {
      table.fail(dtype, std::string{"is no dtype: "} + error.what());
    }
    peaks[dtype] = *table.nominal<FlopsPerSecond>(dtype);
  }
  return peaks;
}

Card read_sheet(const toml::table& table, const std::string& path) {
  Card card;
  TableReader sheet{table, path, "", &card.unverified};
  card.id = sheet.text("id");
  card.name = sheet.text("name");
  card.aliases = sheet.texts("aliases");
  if (sheet.has("class")) card.device_class = sheet.text("class");
  card.memory = sheet.nominal<Bytes>("memory_bytes");
  card.memory_bandwidth = sheet.nominal<BytesPerSecond>("memory_bytes_per_second");
  card.peak = read_peaks(sheet.table("dense_peak_flops_per_second"));
  card.link = read_link(sheet.table("link"));
  card.devices_per_node = sheet.nominal<int>("devices_per_node");
  card.nic = read_link(sheet.table("nic"));
  card.pcie = read_link(sheet.table("pcie"));
  card.last_level_cache = sheet.nominal<Bytes>("last_level_cache_bytes");
  card.multiprocessors = sheet.nominal<int>("multiprocessors");
  card.power_limit_watts = sheet.nominal<double>("power_limit_watts");
  sheet.refuse_unknown();
  return card;
}

std::set<std::string> spellings(const Card& card) {
  std::set<std::string> result{slug(card.id), slug(card.name)};
  for (const auto& alias : card.aliases) result.insert(slug(alias));
  return result;
}

void refuse_shared_names(const std::vector<Card>& cards) {
  std::map<std::string, std::string> owner;
  for (const auto& card : cards)
    for (const auto& spelling : spellings(card))
      if (const auto [entry, is_new] = owner.emplace(spelling, card.id); !is_new)
        throw InvalidInput{"the spec sheets of '" + entry->second + "' and '" + card.id +
                           "' both claim the name '" + spelling + "'"};
}

std::vector<Card> read_cards() {
  std::vector<Card> cards;
  for (const auto& entry : std::filesystem::directory_iterator{data_path("hardware")})
    if (entry.path().extension() == ".toml") cards.push_back(read_card(entry.path().string()));
  std::sort(cards.begin(), cards.end(), [](const Card& a, const Card& b) { return a.id < b.id; });
  refuse_shared_names(cards);
  return cards;
}

}  // namespace

std::optional<FlopsPerSecond> Card::dense_peak(const std::string& dtype) const {
  static const std::array<std::array<std::string, 2>, 2> kTwins{
      {{"f16", "bf16"}, {"fp8_e4m3", "fp8_e5m2"}}};
  if (const auto found = peak.find(dtype); found != peak.end()) return found->second.value;
  for (const auto& [a, b] : kTwins) {
    if (dtype != a && dtype != b) continue;
    const auto found = peak.find(dtype == a ? b : a);
    if (found != peak.end()) return found->second.value;
  }
  return std::nullopt;
}

std::optional<BoundingPeak> Card::bounding_peak(const std::string& dtype) const {
  const std::string of = dtype == "f32" && peak.contains("tf32") ? "tf32" : dtype;
  const auto rate = dense_peak(of);
  return rate ? std::optional{BoundingPeak{*rate, of}} : std::nullopt;
}

std::optional<BytesPerSecond> Card::link_rate(int group) const {
  if (!link.rate) return std::nullopt;
  if (!link.mesh) return link.rate->value;
  if (!devices_per_node || devices_per_node->value < 2) return std::nullopt;
  return BytesPerSecond{link.rate->value.value() * (group - 1) / (devices_per_node->value - 1)};
}

Card read_card(const std::string& path) {
  try {
    return read_sheet(toml::parse_file(path), path);
  } catch (const toml::parse_error& error) {
    throw InvalidInput{path + ":" + std::to_string(error.source().begin.line) +
                       ": not valid TOML: " + std::string{error.description()}};
  }
}

const std::vector<Card>& known_cards() {
  static const std::vector<Card> cards = read_cards();  // an import asks for a card again and again
  return cards;
}

Card find_card(const std::string& name) {
  const auto wanted = slug(name);
  if (wanted.starts_with("cpu-")) {
    Card card;
    card.id = wanted;
    card.name = name;
    return card;
  }
  std::string known;
  for (const auto& card : known_cards()) {
    if (spellings(card).contains(wanted)) return card;
    known += " " + card.id;
  }
  throw InvalidInput{"unknown card '" + name + "'; known:" + known +
                     " and any cpu-<model>. Name one of them, or add hardware/<card>.toml"};
}

}  // namespace moecal
