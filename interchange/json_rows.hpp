// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "core/json_reader.hpp"
#include "interchange/importer.hpp"

/// Reading the JSON of other tools row by row. Include from .cpp files only.
namespace moecal::interchange {

/// The document of the file; lines before the first that starts with '{' are remarks.
/// @throws InvalidInput naming file and line.
[[nodiscard]] nlohmann::json foreign_document(const ForeignFile& file);

/// True where the text, behind its remarks, begins an object and has all of these words.
[[nodiscard]] bool is_json_with(const std::string& text, const std::vector<std::string>& words);

/// The line an object of that document begins at.
[[nodiscard]] int line_of(const nlohmann::json& object);

/// The objects of an array, each read with its own line; none where the field is missing or null.
/// @throws InvalidInput if it is something else.
[[nodiscard]] std::vector<JsonReader> rows_of(const JsonReader& parent, const std::string& field);

/// A number, or the text of one: several tools write numbers as strings.
/// @throws InvalidInput naming the field.
[[nodiscard]] double number_in(const JsonReader& object, const std::string& field);
/// The text of a field, or the fallback where it is missing or null. @throws InvalidInput
[[nodiscard]] std::string text_in(const JsonReader& object, const std::string& field,
                                  const std::string& fallback = "");

}  // namespace moecal::interchange
