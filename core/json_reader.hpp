// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/error.hpp"

namespace moecal {

/// Reads the fields of one JSON object and says, where one is missing or of another type, which
/// file, line and field that was. Include from .cpp files only.
class JsonReader {
 public:
  JsonReader(const nlohmann::json& object, FileLine where)
      : JsonReader{object, std::move(where), ""} {}

  /// The field must exist and have type T. @throws InvalidInput
  template <class T>
  [[nodiscard]] T require(const std::string& field) const {
    const auto found = object_->find(field);
    if (found == object_->end()) fail(field, "is missing");
    return convert<T>(*found, field);
  }

  /// The field, or the fallback where it does not exist. @throws InvalidInput if it has another
  /// type.
  template <class T>
  [[nodiscard]] T optional(const std::string& field, T fallback) const {
    const auto found = object_->find(field);
    return found == object_->end() ? fallback : convert<T>(*found, field);
  }

  [[nodiscard]] bool has(const std::string& field) const { return object_->contains(field); }
  /// A nested object. @throws InvalidInput if it is missing or not an object.
  [[nodiscard]] JsonReader object(const std::string& field) const;
  /// Each element of an array of objects. @throws InvalidInput
  [[nodiscard]] std::vector<JsonReader> objects(const std::string& field) const;
  /// @throws InvalidInput if the object has another field: misspelt, it would silently be ignored.
  void allow_only(std::initializer_list<std::string_view> fields) const;
  [[nodiscard]] const nlohmann::json& json() const { return *object_; }
  [[nodiscard]] const FileLine& where() const { return where_; }
  /// @throws InvalidInput "file:line: field 'a.b' <problem>"
  [[noreturn]] void fail(const std::string& field, const std::string& problem) const;

 private:
  JsonReader(const nlohmann::json& object, FileLine where, std::string prefix);

  template <class T>
  T convert(const nlohmann::json& value, const std::string& field) const {
    try {
      // nlohmann converts between number and bool on its own; a record that does so is wrong.
      if (std::is_same_v<T, bool> != value.is_boolean()) fail(field, "has the wrong type");
      check_integers<T>(value, field);
      return value.get<T>();
    } catch (const nlohmann::json::exception&) {
      fail(field, "has the wrong type");
    }
  }

  /// nlohmann cuts fractions off and wraps what does not fit.
  template <class T>
  void check_integers(const nlohmann::json& value, const std::string& field) const {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      if (value.is_number_float()) fail(field, "is no whole number");
      if (value.is_number_integer() && !fits<T>(value)) fail(field, "is out of range");
    } else if constexpr (requires { typename T::mapped_type; }) {
      for (const auto& [name, each] : value.items())
        check_integers<typename T::mapped_type>(each, field + "." + name);
    } else if constexpr (requires { typename T::value_type; } && !std::is_same_v<T, std::string>) {
      for (const auto& each : value) check_integers<typename T::value_type>(each, field);
    }
  }

  template <class T>
  static bool fits(const nlohmann::json& value) {
    return value.is_number_unsigned() ? std::in_range<T>(value.get<std::uint64_t>())
                                      : std::in_range<T>(value.get<std::int64_t>());
  }

  const nlohmann::json* object_;
  FileLine where_;
  std::string prefix_;
};

/// Parses text as one JSON object. @throws InvalidInput naming file, line and what the parser saw.
[[nodiscard]] nlohmann::json parse_json(const std::string& text, const FileLine& where);
/// The member under which parse_foreign_json notes where an object begins.
inline constexpr char kLineMember[] = "@line";
/// Parses the JSON of another tool, which may be less than JSON: bare nan, inf, NaN and Infinity
/// become strings, and each object says with its member kLineMember at which line of the text it
/// begins. @throws InvalidInput naming file, line and what the parser saw.
[[nodiscard]] nlohmann::json parse_foreign_json(const std::string& text, const FileLine& where);
/// Reads a whole file. @throws InvalidInput if it cannot be read.
[[nodiscard]] std::string read_file(const std::string& path);

}  // namespace moecal
