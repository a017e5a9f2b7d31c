({json_count(entry.additional_metadata, encryptions)} + {json_count(entry.additional_metadata, decryptions)})
